"""Recorded requests of the Shardimage dialect, made fit for a running service: its key, signatures, ids and host."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from conftest import REPOSITORY
from shardimage import Key, api_signature
from wire import END_OF_HEAD, LINE, Message

RECORDED = REPOSITORY / "tests" / "clients" / "shardimage_recorded"
# What stands in the recordings.
DUMMY = Key("", "1234567890", "dummySecret")
HOST = "127.0.0.1:18081"
IMAGE_ID = "iu_1111111111111111111111"
UPLOAD_ID = "2222222222222222222222"
ABSENT_ID = "iu_3333333333333333333333"
SECRET = "secretString"
# The uploaded file: it contains what a careless parser takes for a boundary or a header.
FILE = b"\x89PNG\r\n\x1a\n--\r\n--boundary\r\nContent-Length: 0\r\n\r\n\x00\xff" * 50

BOUNDARY = re.compile(rb"\r\nContent-Type: ?multipart/\w+; boundary=([^\r\n]+)", re.IGNORECASE)
# Fields whose text depends on the service; inside a batch no space follows the colon.
CHANGING = re.compile(rb"(?i)^(host|content-length|x-shardimage-auth-key|x-shardimage-auth-signature)(: ?)(.*)$")


@dataclass(frozen=True)
class Target:
    """What the replay puts in the place of the dummies."""

    key: Key = DUMMY
    host: str = HOST
    ids: Mapping[str, str] = field(default_factory=dict)

    def renamed(self, text: bytes) -> bytes:
        """The text with this service's ids."""
        for dummy, id_ in self.ids.items():
            text = text.replace(dummy.encode(), id_.encode())
        return text


def recorded(name: str) -> bytes:
    """A recorded request, byte by byte."""
    return (RECORDED / f"{name}.http").read_bytes()


def retargeted(raw: bytes, target: Target) -> bytes:
    """The request for another service; with the dummies' own target it is the same, byte by byte."""
    head, _, body = raw.partition(END_OF_HEAD)
    boundary = BOUNDARY.search(head)
    body = in_parts(body, boundary[1], target) if boundary else target.renamed(body)
    first, *lines = target.renamed(head).split(LINE)
    path = first.split(b" ")[1].decode()
    texts = {
        b"host": target.host,
        b"content-length": str(len(body)),
        b"x-shardimage-auth-key": target.key.key,
        b"x-shardimage-auth-signature": api_signature(path, target.key.key, target.key.secret),
    }

    def changed(line: bytes) -> bytes:
        found = CHANGING.match(line)
        return found[1] + found[2] + texts[found[1].lower()].encode() if found else line

    return LINE.join([first, *map(changed, lines)]) + END_OF_HEAD + body


def in_parts(body: bytes, boundary: bytes, target: Target) -> bytes:
    """The parts of a multipart body with the requests in them retargeted."""
    mark = b"--" + boundary
    return mark.join(in_part(part, target) if END_OF_HEAD in part else part for part in body.split(mark))


def in_part(part: bytes, target: Target) -> bytes:
    head, _, inner = part.partition(END_OF_HEAD)
    inner = inner.removesuffix(LINE)
    return head + END_OF_HEAD + retargeted(inner, target) + LINE


def requests_in(raw: bytes) -> list[Message]:
    """The request itself and those in its parts."""
    request = Message.parse(raw)
    boundary = BOUNDARY.search(raw.partition(END_OF_HEAD)[0])
    parts = request.body.split(b"--" + boundary[1])[1:-1] if boundary else []
    return [request, *(Message.parse(part.partition(END_OF_HEAD)[2].removesuffix(LINE)) for part in parts)]
