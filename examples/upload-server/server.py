"""An upload server that asks Countermark before it takes a file. An example: read README.md for what it leaves out."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from countermark import Countermark, Refused, Unanswered
from form import upload_form
from images import OTHER, Images, content_type
from journal import Journal
from notifications import Events, receive_notification, show_events
from refusals import refusal
from shardimage import forget_upload, take_upload
from tus import files
from uploads import Uploads

PAGE = Path(__file__).parent / "page"
MOST_BYTES = 100_000_000
TUS_METHODS = ["POST", "HEAD", "PATCH", "DELETE", "OPTIONS"]


def build(settings: Mapping[str, str]) -> Starlette:
    """The whole application; settings are as in README.md."""
    folder = Path(settings.get("UPLOAD_DIRECTORY", "uploads"))
    countermark = Countermark(settings["COUNTERMARK_URL"], settings["COUNTERMARK_KEY"])
    images, journal = Images(folder / "images"), Journal(folder / "journal")
    uploads = Uploads(countermark, images, journal, int(settings.get("UPLOAD_MAX_BYTES", MOST_BYTES)))

    @contextlib.asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        await uploads.recover()
        task = asyncio.create_task(uploads.tie_up())
        yield
        task.cancel()
        await countermark.close()

    routes = [
        Route("/", show_page),
        Mount("/page", StaticFiles(directory=PAGE)),
        Route("/upload", upload_form, methods=["POST"]),
        Route("/files", files, methods=TUS_METHODS),
        Route("/files/{upload_id}", files, methods=TUS_METHODS),
        Route("/shardimage", take_upload, methods=["POST"]),
        Route("/shardimage/{upload_id}", forget_upload, methods=["DELETE"]),
        Route("/images/{public_id:path}", show_image),
        Route("/notifications", receive_notification, methods=["POST"]),
        Route("/events/{upload_id}", show_events),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={Refused: _refuse, Unanswered: _refuse, OSError: _refuse},
    )
    app.state.uploads, app.state.images, app.state.busy = uploads, images, set()
    app.state.events = Events(settings.get("NOTIFICATION_SECRET"))
    return app


async def show_page(_: Request) -> Response:
    """The page with the form; nothing on it comes from elsewhere."""
    policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:"
    headers = {"content-security-policy": f"{policy}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"}
    # The upload token may stand behind the # of the address: no other site is told this address.
    return FileResponse(PAGE / "index.html", headers={**headers, "referrer-policy": "no-referrer"})


async def show_image(request: Request) -> Response:
    """GET /images/{publicId}: an image is shown, anything else is only for download."""
    path = request.app.state.images.path(request.path_params["public_id"])
    if not path.is_file():
        return Response("There is no such image.", 404)
    with path.open("rb") as file:
        kind = content_type(file.read(16))
    headers = {"x-content-type-options": "nosniff", "cache-control": "no-cache"}
    if kind == OTHER:
        headers["content-disposition"] = "attachment"
    return FileResponse(path, media_type=kind, headers=headers)


async def _refuse(_: Request, error: Exception) -> Response:
    return refusal(error)


def main() -> None:
    """Serves until it is stopped."""
    logging.basicConfig(level=logging.INFO)
    app = build(os.environ)
    port = int(os.environ.get("PORT", "9000"))
    # The access log would be the only place where addresses of people are kept.
    uvicorn.run(app, host=os.environ.get("HOST", "127.0.0.1"), port=port, access_log=False, timeout_graceful_shutdown=3)


if __name__ == "__main__":
    main()
