"""What is decided without network is what a running service decides, question by question."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
import pytest
from countermark import Decision, Request, Signer, Token, TokenRecord
from countermark.errors import CountingRequired, InvalidArgument
from running_service import Service, fresh_value

URL = "https://img.example.com/shop/i/cat.jpg"
FAR = 4_000_000_000
PASSWORD = "the viewer's own password"
NO_UPLOAD = "upl_034YCGMODo7rNXJe1rD0Im"
WIRE = {
    "cloud_id": "cloudId",
    "content_type": "contentType",
    "public_id": "publicId",
    "upload_id": "uploadId",
    "client_ip": "clientIp",
}

TOKENS: dict[str, dict[str, Any]] = {
    "image": {"type": "imageUrl", "owner": "shop", "expiry": FAR},
    "image at hosts": {
        "type": "imageUrl",
        "extra": {"hosts": ["img.example.com", "CDN.example.com"], "cloudId": "shop"},
    },
    "image of a cloud": {"type": "imageUrl", "extra": {"cloudId": "shop"}},
    "image with viewers": {"type": "imageUrl", "extra": {"authentication": {"alice": PASSWORD}}},
    "image disabled": {"type": "imageUrl", "enabled": False},
    "image of later": {"type": "imageUrl", "notBefore": FAR},
    "image revoked": {"type": "imageUrl"},
    "image rotated": {"type": "imageUrl"},
    "image overlapping": {"type": "imageUrl"},
    "image limited": {"type": "imageUrl", "limit": 3},
    "image of no use": {"type": "imageUrl", "limit": 0},
    "image exhausted": {"type": "imageUrl", "limit": 1},
    "image counted by request": {"type": "imageUrl", "limit": 3, "counting": "request", "countWindow": 60},
    "upload": {"type": "upload", "owner": "shop"},
    "upload demanding": {
        "type": "upload",
        "extra": {
            "cloudId": "shop",
            "minBytes": 2,
            "maxBytes": 10,
            "mimeTypes": ["image/*"],
            "publicIdPrefix": "in/",
            "insertOnly": True,
            "addTags": ["a"],
        },
    },
    "upload with a name": {"type": "upload", "extra": {"publicId": "in/x", "publicIdPrefix": "in/"}},
    "upload limited": {"type": "upload", "limit": 2},
    "upload disabled": {"type": "upload", "enabled": False},
    "key": {"type": "apiKey", "permissions": ["read", "files:*"], "owner": "shop"},
    "key to all": {"type": "apiKey", "permissions": ["*"]},
    "key to nothing": {"type": "apiKey", "permissions": []},
    "key below a path": {"type": "apiKey", "permissions": ["*"], "basePath": "/in/a b"},
    "key to places": {"type": "apiKey", "permissions": ["*"], "storages": ["s1"], "clouds": ["c1", "c2"]},
    "key to no place": {"type": "apiKey", "permissions": ["*"], "storages": [], "clouds": []},
    "key limited": {"type": "apiKey", "permissions": ["*"], "limit": 5},
    "key of later": {"type": "apiKey", "permissions": ["*"], "notBefore": FAR},
    "key revoked": {"type": "apiKey", "permissions": ["*"]},
    "key regenerated": {"type": "apiKey", "permissions": ["*"]},
}
"""What tokens are issued as; the names tell what happens to them afterwards."""


@dataclass(frozen=True)
class Held:
    """A token with what its holder knows."""

    token: Token
    signers: tuple[Signer, ...] = ()
    values: tuple[str, ...] = ()

    def link(self, url: str = URL, *, signer: int = -1, **options: Any) -> str:
        return self.signers[signer].sign(url, **options)


Tokens = Mapping[str, Held]


@pytest.fixture(scope="module")
def http(service: Service) -> Iterator[httpx2.Client]:
    headers = {"authorization": f"Bearer {service.key}"}
    client = httpx2.Client(base_url=service.url, headers=headers, timeout=30, trust_env=False)
    yield client
    client.close()


def answer(response: httpx2.Response) -> dict[str, Any]:
    assert response.is_success, response.text
    found: dict[str, Any] = response.json() if response.content else {}
    return found


@pytest.fixture(scope="module")
def tokens(http: httpx2.Client) -> Tokens:
    """All tokens of the table, each read anew once everything has happened to it."""
    return {name: hold(http, name, members) for name, members in TOKENS.items()}


def hold(http: httpx2.Client, name: str, members: dict[str, Any]) -> Held:
    issued = answer(http.post("/v1/access-tokens", json=members))
    path = f"/v1/access-tokens/{issued['id']}"
    answers = [issued]
    if name.endswith("revoked"):
        answer(http.delete(path))
    if name.endswith(("rotated", "regenerated", "overlapping")):
        overlap = {"overlapSeconds": 3600 if name.endswith("overlapping") else 0}
        answers.append(answer(http.post(f"{path}/regenerate", json=overlap)))
    record = answer(http.get(path))
    if issued["type"] != "imageUrl":
        values = tuple(one["value"] for one in answers)
        return Held(Token(record, value=values[-1]), values=values)
    secrets = {one["keyVersion"]: one["extra"]["secret"] for one in answers}
    signers = tuple(Signer(issued["id"], {version: secret}) for version, secret in secrets.items())
    if name.endswith("exhausted"):
        question = {"credential": {"url": signers[0].sign(URL)}}
        assert answer(http.post("/v1/authorize", json=question))["allowed"]
        record = answer(http.get(path))
    # Half of them by way of the dataclass.
    read = TokenRecord.from_json(record) if len(name) % 2 else record
    return Held(Token(read, secrets=secrets), signers=signers)


@dataclass(frozen=True)
class Asked:
    """A question about one token: how its credential is made, and the facts."""

    name: str
    options: Mapping[str, Any]
    facts: Mapping[str, Any]
    viewer_proven: bool = False

    def credential(self, tokens: Tokens) -> dict[str, str]:
        held, options = tokens[self.name], dict(self.options)
        if "raw" in options:
            raw: dict[str, str] = options["raw"]
            return raw
        change: tuple[str, str] = options.pop("change", ("", ""))
        if held.signers:
            behind: str = options.pop("behind", "")
            return {"url": held.link(**options).replace(*change) + behind}
        index: int = options.get("value", -1)
        return {"value": held.values[index].replace(*change)}


def link(name: str, *, proven: bool = False, options: dict[str, Any] | None = None, **facts: Any) -> Asked:
    return Asked(name, options or {}, facts, proven)


def value(name: str, *, options: dict[str, Any] | None = None, **facts: Any) -> Asked:
    return Asked(name, options or {}, facts)


QUERY = {"placement": "query"}
QUESTIONS: list[tuple[Asked, str]] = [
    (link("image"), "ALLOWED"),
    (link("image", method="HEAD"), "ALLOWED"),
    (link("image", method="POST"), "METHOD_DENIED"),
    (link("image", cloud_id="shop", path="/shop/i/cat.jpg"), "ALLOWED"),
    (link("image", permission="files:write", storage="s1"), "ALLOWED"),
    (link("image", options={"expires": FAR}), "ALLOWED"),
    (link("image", options={"expires": 1}), "LINK_EXPIRED"),
    (link("image", options=QUERY), "ALLOWED"),
    (link("image", options={**QUERY, "url": "https://img.example.com:8443/a/b?w=1"}), "ALLOWED"),
    (link("image", options={**QUERY, "behind": "&w=1"}), "MALFORMED"),
    (link("image", options={"behind": "?w=1"}), "BAD_SIGNATURE"),
    (link("image", options={"change": ("cat", "dog")}), "BAD_SIGNATURE"),
    (link("image", options={"change": ("/cat", "/../cat")}), "MALFORMED"),
    (link("image", options={"change": ("https://img", "https://IMG")}), "ALLOWED"),
    (link("image", options={"change": ("https://img", "http://img")}), "ALLOWED"),
    (link("image", options={"change": (".1,", ".2,")}), "BAD_SIGNATURE"),
    (link("image", options={"change": ("s-cm1:iu_", "s-cm1:up_")}), "UNKNOWN_TOKEN"),
    (link("image", options={"raw": {"url": URL}}), "MALFORMED"),
    (link("image", options={"raw": {"url": "ftp://x"}}), "MALFORMED"),
    (link("image", options={"raw": {"value": "guess"}}), "UNKNOWN_TOKEN"),
    (link("image", upload_id=NO_UPLOAD), "ALLOWED"),
    (link("image at hosts"), "ALLOWED"),
    (link("image at hosts", options={"url": "https://cdn.EXAMPLE.com./shop/x"}), "ALLOWED"),
    (link("image at hosts", options={"url": "https://other.example.com/shop/x"}), "WRONG_HOST"),
    (link("image at hosts", options={"url": "https://other.example.com/else/x"}), "WRONG_CLOUD"),
    (link("image of a cloud"), "ALLOWED"),
    (link("image of a cloud", options={"url": "https://img.example.com/else/x"}), "WRONG_CLOUD"),
    (link("image of a cloud", options={**QUERY, "url": "https://img.example.com/a.b"}), "WRONG_CLOUD"),
    (link("image with viewers"), "AUTHENTICATION_REQUIRED"),
    (link("image with viewers", basic=("alice", "wrong")), "AUTHENTICATION_REQUIRED"),
    (link("image with viewers", proven=True, basic=("alice", PASSWORD)), "ALLOWED"),
    (link("image with viewers", options={"expires": 1}, basic=("alice", PASSWORD)), "LINK_EXPIRED"),
    (link("image disabled"), "DISABLED"),
    (link("image disabled", options={"behind": "x"}), "BAD_SIGNATURE"),
    (link("image of later"), "NOT_YET_VALID"),
    (link("image revoked"), "REVOKED"),
    (link("image revoked", method="POST"), "REVOKED"),
    (link("image rotated"), "ALLOWED"),
    (link("image rotated", options={"signer": 0}), "BAD_SIGNATURE"),
    (link("image overlapping", options={"signer": 0}), "ALLOWED"),
    (link("image overlapping", options={"signer": 1}), "ALLOWED"),
    (link("image limited"), "COUNTING_REQUIRED"),
    (link("image limited", method="HEAD"), "ALLOWED"),
    (link("image limited", method="PUT"), "METHOD_DENIED"),
    (link("image of no use"), "LIMIT_REACHED"),
    (link("image of no use", method="HEAD"), "ALLOWED"),
    (link("image exhausted"), "LIMIT_REACHED"),
    (link("image exhausted", method="HEAD"), "ALLOWED"),
    (link("image counted by request", method="HEAD", client_ip="203.0.113.7"), "COUNTING_REQUIRED"),
    (value("upload", method="POST"), "ALLOWED"),
    (value("upload", method="PUT", cloud_id="any"), "ALLOWED"),
    (value("upload"), "METHOD_DENIED"),
    (value("upload", method="DELETE"), "METHOD_DENIED"),
    (value("upload", options={"change": ("cmu_", "cmk_")}, method="POST"), "UNKNOWN_TOKEN"),
    (
        value(
            "upload demanding",
            method="POST",
            cloud_id="shop",
            bytes=2,
            content_type="image/png; x=1",
            public_id="in/a",
        ),
        "ALLOWED",
    ),
    (
        value(
            "upload demanding",
            method="POST",
            cloud_id="shop",
            bytes=11,
            content_type="image/png",
            public_id="in/a",
        ),
        "CONSTRAINT_FAILED",
    ),
    (
        value(
            "upload demanding",
            method="POST",
            cloud_id="shop",
            bytes=2,
            content_type="image/png",
            public_id="in/../a",
        ),
        "CONSTRAINT_FAILED",
    ),
    (value("upload demanding", method="POST", cloud_id="shop"), "CONSTRAINT_FAILED"),
    (value("upload demanding", method="POST"), "WRONG_CLOUD"),
    (value("upload with a name", method="POST", public_id="out/a"), "ALLOWED"),
    (value("upload limited", method="POST"), "COUNTING_REQUIRED"),
    (value("upload limited", method="GET"), "METHOD_DENIED"),
    (value("upload disabled", method="POST"), "DISABLED"),
    (value("key", permission="read"), "ALLOWED"),
    (value("key", permission="files:write", method="DELETE", path="/any//where"), "ALLOWED"),
    (value("key", permission="write"), "PERMISSION_DENIED"),
    (value("key"), "PERMISSION_DENIED"),
    (value("key", options={"change": ("cmk_", "cmk_x")}, permission="read"), "UNKNOWN_TOKEN"),
    (value("key", options={"raw": {"value": fresh_value("k")}}, permission="read"), "UNKNOWN_TOKEN"),
    (value("key", options={"raw": {"value": "not a value"}}), "UNKNOWN_TOKEN"),
    (value("key to all", permission="tokens:write"), "ALLOWED"),
    (value("key to all"), "PERMISSION_DENIED"),
    (value("key to nothing", permission="read"), "PERMISSION_DENIED"),
    (value("key below a path", permission="read", path="/in/a%20b/c"), "ALLOWED"),
    (value("key below a path", permission="read", path="/in/a%20bc"), "PATH_DENIED"),
    (value("key below a path", permission="read", path="/in/a%20b/%2e%2e/c"), "PATH_DENIED"),
    (value("key below a path", permission="read"), "PATH_DENIED"),
    (
        value("key below a path", permission="read", method="MOVE", path="/in/a%20b/c", destination="/out"),
        "PATH_DENIED",
    ),
    (
        value("key below a path", permission="read", method="GET", path="/in/a%20b/c", destination="/out"),
        "ALLOWED",
    ),
    (value("key to places", permission="read", storage="s1", cloud_id="c2"), "ALLOWED"),
    (value("key to places", permission="read", storage="s2", cloud_id="c2"), "STORAGE_DENIED"),
    (value("key to places", permission="read", cloud_id="c2"), "STORAGE_DENIED"),
    (value("key to places", permission="read", storage="s1"), "WRONG_CLOUD"),
    (value("key to no place", permission="read", storage="s1", cloud_id="c1"), "WRONG_CLOUD"),
    (value("key limited", permission="read"), "COUNTING_REQUIRED"),
    (value("key of later", permission="read"), "NOT_YET_VALID"),
    (value("key revoked", permission="read"), "REVOKED"),
    (value("key regenerated", permission="read"), "ALLOWED"),
    (value("key regenerated", options={"value": 0}, permission="read"), "UNKNOWN_TOKEN"),
]
"""Each question with what is to come of it, so that both cannot be wrong alike."""


def test_the_table_asks_for_every_refusal_and_every_type() -> None:
    assert len(QUESTIONS) >= 60
    assert {asked.name for asked, _ in QUESTIONS} == set(TOKENS)
    codes = {code for _, code in QUESTIONS}
    # EXPIRED needs a clock, WRONG_TYPE the id of a token of another type: both are asked below.
    assert len(codes) == 18


def on_the_wire(asked: Asked, credential: dict[str, str], **members: Any) -> dict[str, Any]:
    facts: dict[str, Any] = {WIRE.get(name, name): fact for name, fact in asked.facts.items()}
    if "basic" in facts:
        facts["basic"] = {"username": facts["basic"][0], "password": facts["basic"][1]}
    return {"credential": credential, "request": facts, **members}


def decide(asked: Asked, tokens: Tokens, now: int | None = None) -> tuple[str, Decision | None]:
    credential = asked.credential(tokens)
    try:
        decision = tokens[asked.name].token.decide(
            url=credential.get("url"),
            value=credential.get("value"),
            request=Request(**asked.facts),
            viewer_proven=asked.viewer_proven,
            now=now,
        )
    except CountingRequired as counting:
        return counting.code, None
    return decision.code, decision


@pytest.mark.parametrize(("asked", "code"), QUESTIONS)
def test_the_service_decides_the_same(asked: Asked, code: str, tokens: Tokens, http: httpx2.Client) -> None:
    question = on_the_wire(asked, asked.credential(tokens), dryRun=True)
    there = answer(http.post("/v1/authorize", json=question))
    here, decision = decide(asked, tokens)
    assert here == code
    if decision is None:
        assert there["code"] == "ALLOWED", "only the taking of the use is missing"
        return
    assert here == there["code"]
    told = (
        decision.allowed,
        decision.token_id,
        decision.type,
        decision.owner,
        decision.limit,
        decision.expiry,
    )
    assert told == tuple(there[name] for name in ("allowed", "tokenId", "type", "owner", "limit", "expiry"))


# The service remembers the value that was there before, and so has rules to go through.
EXPLAINED = [(asked, code) for asked, code in QUESTIONS if asked.options.get("value") != 0]


@pytest.mark.parametrize(("asked", "code"), EXPLAINED)
def test_the_service_explains_the_same(asked: Asked, code: str, tokens: Tokens, http: httpx2.Client) -> None:
    credential = asked.credential(tokens)
    there = answer(http.post("/v1/explain", json=on_the_wire(asked, credential)))
    here = tokens[asked.name].token.explain(
        url=credential.get("url"),
        value=credential.get("value"),
        request=Request(**asked.facts),
        viewer_proven=asked.viewer_proven,
    )
    assert here.decision.code == there["code"]
    assert [{"code": step.code, "outcome": step.outcome} for step in here.steps] == there["steps"]
    assert (here.form, here.canonical_string) == (there["form"], there["canonicalString"])
    assert list(here.differs) == there["differs"]
    assert (here.decision.code == "ALLOWED") == (code in ("ALLOWED", "COUNTING_REQUIRED"))


def test_both_agree_on_the_second_in_which_a_token_expires(http: httpx2.Client) -> None:
    expiry = int(time.time()) + 3600
    issued = answer(
        http.post("/v1/access-tokens", json={"type": "apiKey", "permissions": ["*"], "expiry": expiry})
    )
    token = Token(issued)
    request = Request(permission="read")
    assert token.decide(value=issued["value"], request=request).code == "ALLOWED"
    assert token.decide(value=issued["value"], request=request, now=expiry - 1).code == "ALLOWED"
    assert token.decide(value=issued["value"], request=request, now=expiry).code == "EXPIRED"


def test_a_link_that_names_a_token_of_another_type_is_of_the_wrong_type(
    tokens: Tokens, http: httpx2.Client
) -> None:
    held = tokens["key"]
    url = tokens["image"].link().replace(tokens["image"].token.id, held.token.id)
    there = answer(http.post("/v1/authorize", json={"credential": {"url": url}, "dryRun": True}))
    assert held.token.decide(url=url).code == there["code"] == "WRONG_TYPE"


BOUNDS: list[tuple[str, str, str]] = [
    ("method", "A" * 32, "A" * 33),
    ("cloud_id", "a" * 64, "a" * 65),
    ("path", "/" + "a" * 8191, "/" + "a" * 8192),
    ("destination", "/" + "é" * 4095 + "a", "/" + "é" * 4096),
    ("permission", "a" * 128, "a" * 129),
    ("storage", "a" * 128, "a" * 129),
    ("content_type", "a" * 255, "a" * 256),
    ("public_id", "é" * 512, "é" * 512 + "a"),
    ("client_ip", "2001:db8::203.0.113.7", "203.0.113.7:80"),
    ("client_ip", "::1", "localhost"),
    ("upload_id", NO_UPLOAD, NO_UPLOAD + "0"),
]
"""Facts with a value that is just taken, and one that is not."""


@pytest.mark.parametrize(("fact", "within", "beyond"), BOUNDS)
def test_a_fact_that_one_does_not_take_the_other_does_not_either(
    fact: str, within: str, beyond: str, tokens: Tokens, http: httpx2.Client
) -> None:
    for text, is_taken in ((within, True), (beyond, False)):
        facts: dict[str, Any] = {"permission": "read", fact: text}
        asked = value("key to all", **facts)
        question = on_the_wire(asked, asked.credential(tokens), dryRun=True)
        there = http.post("/v1/authorize", json=question)
        assert there.status_code == (200 if is_taken else 400)
        if is_taken:
            assert decide(asked, tokens)[0] == there.json()["code"] == "ALLOWED"
        else:
            with pytest.raises(InvalidArgument, match=f"request.{fact}: expected"):
                decide(asked, tokens)


def test_a_url_beyond_the_bound_is_allowed_by_neither(tokens: Tokens, http: httpx2.Client) -> None:
    host = "a" * 300
    rest = 8192 - len(tokens["image"].link("https://a/shop/b").removeprefix("https://a")) + 1
    longest = tokens["image"].link(f"https://{host}/shop/{'b' * rest}")
    assert len(longest) == 8500
    question: dict[str, Any] = {"credential": {"url": longest}, "dryRun": True}
    there = answer(http.post("/v1/authorize", json=question))
    assert tokens["image"].token.decide(url=longest).code == there["code"] == "ALLOWED"
    longer = longest.replace("a" * 300, "a" * 301)
    question["credential"]["url"] = longer
    assert http.post("/v1/authorize", json=question).status_code == 400
    assert tokens["image"].token.decide(url=longer).code == "MALFORMED"
