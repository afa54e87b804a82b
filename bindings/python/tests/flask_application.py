"""A Flask application with every kind of demand once; `app` for servers that want a name."""

from __future__ import annotations

from typing import Any

from countermark import Signer
from countermark.flask import Countermark, require_signed_url, require_token
from flask import Flask, g

TOKEN = "iu_034YCGMODo7rNXJe1rD0Im"
SIGNER = Signer(TOKEN, "0123456789abcdef0123456789abcdef")


def application(url: str | None = None, key: str | None = None) -> Flask:
    """From the environment what is not given."""
    app = Flask(__name__)
    app.config |= {"COUNTERMARK_URL": url, "COUNTERMARK_KEY": key}
    Countermark(app)

    @app.route("/photos", methods=["GET", "HEAD", "POST"])
    @require_token("photos:read")
    def photos() -> dict[str, Any]:
        return told()

    @app.route("/options", methods=["GET", "OPTIONS"], provide_automatic_options=False)
    @require_token("photos:read")
    def options() -> dict[str, Any]:
        return told()

    @app.get("/coroutine")
    @require_token("photos:read")
    async def coroutine() -> dict[str, Any]:
        return told()

    @app.post("/upload")
    @require_token(types=("upload",))
    def upload() -> dict[str, Any]:
        return told()

    @app.get("/links/<path:path>")
    @require_token(types=("imageUrl",))
    def links(path: str) -> dict[str, Any]:
        return {**told(), "path": path}

    @app.get("/local/<path:path>")
    @require_signed_url({TOKEN: SIGNER})
    def local(path: str) -> dict[str, str]:
        return {"path": path, "verified": g.countermark.path}

    return app


def told() -> dict[str, Any]:
    decision = g.countermark
    return {"code": decision.code, "type": decision.type, "used": decision.used, "owner": decision.owner}


app = application()
