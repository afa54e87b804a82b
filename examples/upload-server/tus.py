"""/files: resumable uploads by tus 1.0 with the extensions creation and termination."""

from __future__ import annotations

import asyncio
import base64
import binascii
import json
from collections.abc import AsyncIterator
from urllib.parse import quote

from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from countermark import Refused, Unanswered
from form import TEXT_FIELDS, outcome, receive
from journal import Entry
from refusals import problem, refusal, token_of
from uploads import Uploads

VERSION = "1.0.0"

# Of the greatest length that any server can count, 2**63 - 1.
MOST_DIGITS = 19


async def files(request: Request) -> Response:
    """Every request of the protocol; its answers all name the version."""
    try:
        answer = await _answer(request)
    except (Refused, Unanswered, OSError) as error:
        answer = refusal(error)
    answer.headers["tus-resumable"] = VERSION
    answer.headers["cache-control"] = "no-store"
    return answer


async def _answer(request: Request) -> Response:
    # Some clients can only send GET and POST.
    method = request.headers.get("x-http-method-override", request.method).upper()
    uploads: Uploads = request.app.state.uploads
    if method == "OPTIONS":
        extensions = {"tus-version": VERSION, "tus-extension": "creation,termination"}
        return Response(status_code=204, headers={**extensions, "tus-max-size": str(uploads.most)})
    if request.headers.get("tus-resumable") != VERSION:
        return Response(status_code=412, headers={"tus-version": VERSION})
    value = token_of(request.headers.get("authorization"))
    upload_id = request.path_params.get("upload_id")
    if upload_id is None:
        return await _create(request, uploads, value) if method == "POST" else Response(status_code=405)
    busy: set[str] = request.app.state.busy
    entry = uploads.journal.find(upload_id)
    # Another token's upload is as unknown as none.
    if entry is None or entry.way != "tus" or not entry.belongs_to(value):
        return problem(404, "UPLOAD_CLOSED")
    if method == "HEAD":
        return Response(status_code=200, headers=_position(entry, uploads))
    if method == "DELETE":
        await _wait_until_free(upload_id, busy)
    if upload_id in busy:
        return Response(status_code=423)
    # The wait may have seen its end.
    if (entry := uploads.journal.find(upload_id)) is None:
        return problem(404, "UPLOAD_CLOSED")
    busy.add(upload_id)
    try:
        if method == "PATCH":
            return await _append(request, uploads, entry)
        if method == "DELETE":
            return await _terminate(uploads, entry)
    finally:
        busy.discard(upload_id)
    return Response(status_code=405)


async def _wait_until_free(upload_id: str, busy: set[str]) -> None:
    # Who breaks an upload off ends its PATCH first; this server may see both ends in the other order.
    for _ in range(50):
        if upload_id not in busy:
            return
        await asyncio.sleep(0.1)


async def _create(request: Request, uploads: Uploads, value: str) -> Response:
    length = request.headers.get("upload-length", "")
    metadata = read_metadata(request.headers.get("upload-metadata", ""))
    # A length that is told later cannot be checked before the use is taken: creation-defer-length is not offered.
    # Python turns no text of thousands of digits into a number.
    if not length.isdecimal() or len(length) > MOST_DIGITS or metadata is None:
        return problem(400, "BAD_FORM")
    asked: dict[str, object] = {name: metadata[name] for name in TEXT_FIELDS if name in metadata}
    asked["tags"] = [tag for tag in metadata.get("tags", "").split(",") if tag]
    entry = await uploads.begin(value, "tus", asked, int(length), metadata.get("filetype"))
    headers = {"location": f"/files/{entry.id}"}
    if entry.length == 0:
        await uploads.finish(entry)
        headers["upload-result"] = _result(entry)
    return Response(status_code=201, headers=headers)


async def _append(request: Request, uploads: Uploads, entry: Entry) -> Response:
    if request.headers.get("content-type") != "application/offset+octet-stream":
        return Response(status_code=415)
    offset = received(entry, uploads)
    if entry.state != "receiving" or request.headers.get("upload-offset") != str(offset):
        return Response(status_code=409, headers={"upload-offset": str(offset)})
    try:
        await receive(_bounded(request.stream(), (entry.length or 0) - offset), entry, uploads)
    except ClientDisconnect:
        # What has come stays; the client asks by HEAD how much that is.
        return Response(status_code=400)
    headers = {"upload-offset": str(received(entry, uploads))}
    if received(entry, uploads) == entry.length:
        try:
            await uploads.finish(entry)
        except Unanswered:
            headers["upload-result"] = _result(entry)
            return Response(status_code=204, headers=headers)
        headers["upload-result"] = _result(entry)
    return Response(status_code=204, headers=headers)


async def _terminate(uploads: Uploads, entry: Entry) -> Response:
    if entry.state != "receiving":
        return problem(409, "UPLOAD_CLOSED")
    await uploads.give_up(entry)
    return Response(status_code=204)


async def _bounded(stream: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    async for chunk in stream:
        if len(chunk) > most:
            raise Refused(413, "FILE_TOO_LARGE")
        most -= len(chunk)
        yield chunk


def received(entry: Entry, uploads: Uploads) -> int:
    """How many bytes of an upload are on disk."""
    part = uploads.journal.part(entry)
    return part.stat().st_size if entry.state == "receiving" and part.exists() else entry.length or 0


def read_metadata(header: str) -> dict[str, str] | None:
    """`Upload-Metadata`: names with base64 values; `None` if it is not that."""
    metadata = {}
    for pair in filter(None, (it.strip() for it in header.split(","))):
        name, _, value = pair.partition(" ")
        try:
            metadata[name] = base64.b64decode(value, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            return None
    return metadata


def _position(entry: Entry, uploads: Uploads) -> dict[str, str]:
    return {"upload-offset": str(received(entry, uploads)), "upload-length": str(entry.length)}


def _result(entry: Entry) -> str:
    # The last answer of tus has no body; a header is ASCII.
    return quote(json.dumps(outcome(entry)))
