"""Images on disk, each a file named after its public id."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from countermark import Refused

LONGEST_NAME = 240
OTHER = "application/octet-stream"


@dataclass(frozen=True)
class Facts:
    """What a received file really is."""

    size: int
    sha256: str
    content_type: str


class Images:
    """A folder of images. All names are flat: `a/b` is one file, so no public id reaches another folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, public_id: str) -> Path:
        """Where an image is kept; refuses names that no file can have."""
        try:
            name = quote(public_id, safe="")
        except UnicodeEncodeError as error:
            raise Refused(400, "NAME_UNUSABLE") from error
        if name.startswith("."):
            name = "%2E" + name[1:]
        if not name or len(name) > LONGEST_NAME:
            raise Refused(400, "NAME_UNUSABLE")
        return self._folder / name

    def place(self, received: Path, public_id: str, insert_only: bool) -> bool:
        """Puts a file under a free name; whether the name was taken: then the old image stays until `publish`."""
        target = self.path(public_id)
        try:
            # A link fails if the name exists, also when two uploads want it at the same moment.
            os.link(received, target)
        except FileExistsError:
            if target.samefile(received):
                return False
            if insert_only:
                raise Refused(409, "NAME_TAKEN") from None
            return True
        _sync(self._folder)
        return False

    def publish(self, received: Path, public_id: str, existed: bool) -> None:
        """Lets a completed upload take its place for good; may be repeated."""
        if existed and received.exists():
            received.replace(self.path(public_id))
        else:
            received.unlink(missing_ok=True)
        _sync(self._folder)

    def withdraw(self, received: Path, public_id: str) -> None:
        """Undoes `place` for an upload that did not complete, and removes what was received."""
        if received.exists():
            target = self.path(public_id)
            if target.exists() and target.samefile(received):
                target.unlink()
            received.unlink()


def inspect(path: Path) -> Facts:
    """Reads a received file: its content type comes from its first bytes, never from what the client claims."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        os.fsync(file.fileno())
        first = file.read(16)
        file.seek(0)
        while block := file.read(1 << 20):
            digest.update(block)
            size += len(block)
    return Facts(size, digest.hexdigest(), content_type(first))


def content_type(first: bytes) -> str:
    """The image format that a file begins like. Unknown is not an image: HTML under a picture's name stays harmless."""
    for start, name in ((b"\x89PNG\r\n\x1a\n", "png"), (b"\xff\xd8\xff", "jpeg"), (b"GIF8", "gif")):
        if first.startswith(start):
            return f"image/{name}"
    if first[:4] == b"RIFF" and first[8:12] == b"WEBP":
        return "image/webp"
    if first[4:8] == b"ftyp" and first[8:12] in (b"avif", b"avis"):
        return "image/avif"
    return OTHER


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
