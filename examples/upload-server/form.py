"""POST /upload: a form (multipart/form-data) whose last field is the file, written to disk while it comes."""

from __future__ import annotations

from collections.abc import AsyncIterator

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from countermark import Refused, Unanswered
from journal import Entry
from refusals import token_of
from uploads import Uploads

FIELDS_AT_MOST = 64 * 1024
TEXT_FIELDS = ("publicId", "transformation", "format", "projection")


class FormReader:
    """The fields before the file, then the file, then nothing more."""

    def __init__(self, request: Request) -> None:
        kind, options = parse_options_header(request.headers.get("content-type"))
        if kind != b"multipart/form-data" or b"boundary" not in options:
            raise Refused(400, "BAD_FORM")
        boundary = options[b"boundary"]
        length = request.headers.get("content-length", "")
        self._whole = int(length) if length.isdecimal() else None
        # What follows the file: the closing line with its line ends.
        self._tail = len(boundary) + len(b"\r\n----\r\n")
        self._stream = request.stream()
        self.fields: list[tuple[str, str]] = []
        self.content_type: str | None = None
        # Exact if the client has told the length of the whole form, as browsers and curl do.
        self.size: int | None = None
        self._part: dict[bytes, bytes] = {}
        self._name, self._value, self._data = b"", b"", bytearray()
        self._in_file = self._complete = False
        self._parser = MultipartParser(
            boundary,
            {
                "on_part_begin": self._on_part_begin,
                "on_header_field": self._on_header_field,
                "on_header_value": self._on_header_value,
                "on_header_end": self._on_header_end,
                "on_headers_finished": self._on_headers_finished,
                "on_part_data": self._on_part_data,
                "on_part_end": self._on_part_end,
                "on_end": self._on_end,
            },
        )

    async def read_fields(self) -> None:
        """Reads on to the first byte of the file."""
        read = 0
        async for chunk in self._stream:
            for at in range(len(chunk)):
                # Byte by byte, so that the place where the file begins is known, and thereby its size.
                self._write(chunk[at : at + 1])
                read += 1
                if self._in_file:
                    if self._whole is not None:
                        self.size = max(0, self._whole - read - self._tail)
                    self._write(chunk[at + 1 :])
                    return
                if read > FIELDS_AT_MOST:
                    raise Refused(400, "BAD_FORM")
        raise Refused(400, "BAD_FORM")

    async def file(self) -> AsyncIterator[bytes]:
        """The bytes of the file as they come."""
        if self._data:
            yield self._take()
        async for chunk in self._stream:
            self._write(chunk)
            if self._data:
                yield self._take()
        if not self._complete:
            raise Refused(400, "BAD_FORM")

    def _take(self) -> bytes:
        data, self._data = bytes(self._data), bytearray()
        return data

    def _write(self, data: bytes) -> None:
        try:
            self._parser.write(data)
        except FormParserError as error:
            raise Refused(400, "BAD_FORM") from error

    def _on_part_begin(self) -> None:
        if self._in_file:
            raise Refused(400, "BAD_FORM")
        self._part, self._data = {}, bytearray()

    def _on_header_field(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _on_header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _on_header_end(self) -> None:
        self._part[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _on_headers_finished(self) -> None:
        _, options = parse_options_header(self._part.get(b"content-disposition"))
        self._name_of_part = options.get(b"name", b"").decode(errors="replace")
        self._in_file = b"filename" in options
        if self._in_file:
            self.content_type = self._part.get(b"content-type", b"").decode("latin-1") or None

    def _on_part_data(self, data: bytes, start: int, end: int) -> None:
        self._data += data[start:end]

    def _on_part_end(self) -> None:
        if not self._in_file:
            self.fields.append((self._name_of_part, self._data.decode(errors="replace")))
            self._data = bytearray()

    def _on_end(self) -> None:
        self._complete = self._in_file


async def upload_form(request: Request) -> Response:
    """Takes one file under the upload token in `Authorization`."""
    uploads: Uploads = request.app.state.uploads
    value = token_of(request.headers.get("authorization"))
    form = FormReader(request)
    try:
        await form.read_fields()
    except ClientDisconnect:
        return Response(status_code=400)
    asked: dict[str, object] = {name: text for name, text in form.fields if name in TEXT_FIELDS}
    asked["tags"] = [text for name, text in form.fields if name == "tags" and text]
    entry = await uploads.begin(value, "form", asked, form.size, form.content_type)
    try:
        await receive(form.file(), entry, uploads)
    except ClientDisconnect:
        await uploads.give_up(entry)
        return Response(status_code=400)
    except (Refused, OSError):
        await uploads.give_up(entry)
        raise
    try:
        await uploads.finish(entry)
    except Unanswered:
        # The file is safe and the use stays reserved; Countermark is told as soon as it answers.
        return JSONResponse(outcome(entry), 202)
    return JSONResponse(outcome(entry), 201)


async def receive(chunks: AsyncIterator[bytes], entry: Entry, uploads: Uploads) -> None:
    """Appends what comes, and stops at the byte that is too much."""
    part = uploads.journal.part(entry)
    with part.open("ab") as file:
        async for chunk in chunks:
            if file.tell() + len(chunk) > entry.most:
                raise Refused(413, "FILE_TOO_LARGE")
            file.write(chunk)


def outcome(entry: Entry) -> dict[str, object]:
    """What an upload client is told about its upload."""
    return {
        "uploadId": entry.id,
        "state": entry.state,
        "publicId": entry.public_id,
        "remaining": entry.remaining,
        **entry.result,
    }
