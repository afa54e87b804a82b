"""The harness itself: a service starts, issues, signs and decides."""

from conftest import Countermark


def test_a_signed_link_is_allowed_once(countermark: Countermark) -> None:
    token = countermark.issue(type="imageUrl", limit=1)
    url = countermark.sign(token["id"], "https://img.example.com/c/i/cat.jpg", ttl=60)
    question = {"credential": {"url": url}}
    codes = [countermark.call("POST", "/v1/authorize", json=question).json()["code"] for _ in range(2)]
    assert codes == ["ALLOWED", "LIMIT_REACHED"]
