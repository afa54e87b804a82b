"""What this server must not forget about an upload when it is killed: one small file each."""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

State = Literal["receiving", "placed", "handed in", "abandoned", "done"]
Way = Literal["form", "tus", "shardimage"]


@dataclass
class Entry:
    """One upload, under the id that Countermark has given it."""

    id: str
    way: Way
    public_id: str
    deadline: int
    insert_only: bool
    # The most bytes it may have.
    most: int
    # Of the token that began it: who continues it must show the same. A digest is enough for that.
    token_digest: str
    # Only tus knows the size beforehand for sure.
    length: int | None = None
    # receiving → placed (Countermark is to be told that it is complete) → done; abandoned (its use is to go back). What
    # Countermark itself has sent is handed in instead of placed: it is to say what has become of it.
    state: State = "receiving"
    result: dict[str, Any] = field(default_factory=dict)
    remaining: int | None = None
    changed_at: float = field(default_factory=time.time)

    def belongs_to(self, value: str) -> bool:
        """Whether the token began this upload."""
        return hmac.compare_digest(self.token_digest, digest(value))


class Journal:
    """The files of all uploads: `<id>.json`, and `<id>.part` with the bytes received so far."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def part(self, entry: Entry) -> Path:
        """Where the bytes of an upload are until it completes."""
        return self._folder / f"{entry.id}.part"

    def write(self, entry: Entry) -> None:
        """Keeps an entry; it is on disk when this returns."""
        entry.changed_at = time.time()
        draft = self._folder / f"{entry.id}.draft"
        with draft.open("w") as file:
            json.dump(asdict(entry), file)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / f"{entry.id}.json")

    def find(self, upload_id: str) -> Entry | None:
        """The entry of an upload; ids are letters and digits, so anything else names none."""
        path = self._folder / f"{upload_id}.json"
        if not upload_id.replace("_", "").isalnum() or not path.is_file():
            return None
        return Entry(**json.loads(path.read_text()))

    def entries(self) -> Iterator[Entry]:
        """All of them."""
        for path in sorted(self._folder.glob("*.json")):
            yield Entry(**json.loads(path.read_text()))

    def forget(self, entry: Entry) -> None:
        """Removes an entry and its bytes."""
        self.part(entry).unlink(missing_ok=True)
        (self._folder / f"{entry.id}.json").unlink(missing_ok=True)


def digest(value: str) -> str:
    """Tells tokens apart without keeping them; a random value of 190 bits cannot be guessed from it."""
    return hashlib.sha256(value.encode(errors="replace")).hexdigest()
