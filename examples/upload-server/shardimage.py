"""POST /shardimage: where a Countermark sends what clients of its Shardimage dialect upload."""

from __future__ import annotations

import json
from typing import Any

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from countermark import Refused
from form import FormReader, receive
from uploads import Uploads


async def take_upload(request: Request) -> Response:
    """Stores a file and reports what it is. Only what Countermark knows to be under way is taken.

    Nothing is fetched: an upload by address has no file and is refused.
    """
    uploads: Uploads = request.app.state.uploads
    form = FormReader(request)
    try:
        await form.read_fields()
    except ClientDisconnect:
        return Response(status_code=400)
    described = _described(form)
    entry = await uploads.take_over(str(described["uploadId"]), insert_only=described.get("insertOnly") is True)
    try:
        await receive(form.file(), entry, uploads)
        await uploads.hand_in(entry)
    except ClientDisconnect:
        await uploads.give_up(entry)
        return Response(status_code=400)
    except (Refused, OSError):
        await uploads.give_up(entry)
        raise
    return JSONResponse(entry.result)


async def forget_upload(request: Request) -> Response:
    """DELETE /shardimage/{uploadId}: the upload counts for nothing, if Countermark says so, too."""
    uploads: Uploads = request.app.state.uploads
    entry = uploads.journal.find(request.path_params["upload_id"])
    if entry is None or entry.way != "shardimage":
        return Response(status_code=404)
    return Response(status_code=204 if await uploads.settle(entry) == "aborted" else 409)


def _described(form: FormReader) -> dict[str, Any]:
    fields = [text for name, text in form.fields if name == "upload"]
    try:
        (only,) = fields
        described = json.loads(only)
        described["uploadId"]
    except (ValueError, TypeError, KeyError) as error:
        raise Refused(400, "BAD_FORM") from error
    return dict(described)
