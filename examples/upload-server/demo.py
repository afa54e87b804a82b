"""The whole example at once: makes a key, an upload link of three uses and the server that they are for."""

from __future__ import annotations

import os

import httpx2
import uvicorn

from server import build

DAY = 86_400


def main() -> None:
    """Needs COUNTERMARK_KEY, an administrator key; only the server's own, lesser key reaches the server."""
    url = os.environ.get("COUNTERMARK_URL", "http://127.0.0.1:8080")
    port = int(os.environ.get("PORT", "9000"))
    here = f"http://127.0.0.1:{port}"
    with httpx2.Client(
        base_url=url, headers={"authorization": f"Bearer {os.environ['COUNTERMARK_KEY']}"}, trust_env=False
    ) as countermark:
        own = {"type": "apiKey", "name": "upload server (demo)", "permissions": ["authorize"], "ttl": DAY}
        key = _issue(countermark, own)
        extra = {"maxBytes": 20_000_000, "mimeTypes": ["image/*"], "notificationUrls": [f"{here}/notifications"]}
        link = {"type": "upload", "name": "upload link (demo)", "limit": 3, "ttl": DAY, "extra": extra}
        value = _issue(countermark, link)
        secrets = countermark.get("/v1/notification-secrets").raise_for_status().json()["items"]
    # Behind the #, where no server sees it.
    print(f"Three uploads by this link, today: {here}/#{value}", flush=True)
    settings = {
        **os.environ,
        "COUNTERMARK_URL": url,
        "COUNTERMARK_KEY": key,
        # The newest; while several overlap, each notification is signed with all of them.
        "NOTIFICATION_SECRET": secrets[-1]["secret"],
    }
    uvicorn.run(build(settings), host="127.0.0.1", port=port, access_log=False, timeout_graceful_shutdown=3)


def _issue(countermark: httpx2.Client, members: dict[str, object]) -> str:
    answer = countermark.post("/v1/access-tokens", json=members)
    return str(answer.raise_for_status().json()["value"])


if __name__ == "__main__":
    main()
