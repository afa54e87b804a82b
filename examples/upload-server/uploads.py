"""The way of an upload: begin, receive, place, complete; and back from every point of it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Iterator
from typing import Any, Literal

from countermark import Countermark, Refused, Unanswered
from images import Images, inspect
from journal import Entry, Journal, digest

log = logging.getLogger("upload-server")

DAY = 86_400

# Stands in Countermark for its Shardimage dialect where uploads name who began them.
SHARDIMAGE = "ak_0000000000000000000001"
OPEN_ENDS = ("placed", "handed in", "abandoned")


class Uploads:
    """The one flow that both ways of uploading share."""

    def __init__(self, countermark: Countermark, images: Images, journal: Journal, most: int) -> None:
        self._countermark = countermark
        self._images = images
        self.journal = journal
        self.most = most
        self._open_ends = asyncio.Event()

    async def begin(
        self, value: str, way: Literal["form", "tus"], asked: dict[str, Any], size: int | None, content_type: str | None
    ) -> Entry:
        """Reserves a use of the client's token before a byte of the file is taken."""
        if size is not None and size > self.most:
            raise Refused(413, "FILE_TOO_LARGE")
        asked = {**asked, "bytes": size, "contentType": content_type}
        begun = await self._countermark.begin(value, {name: it for name, it in asked.items() if it is not None})
        constraints = begun["constraints"]
        bound = constraints["maxBytes"]
        entry = Entry(
            id=begun["id"],
            way=way,
            # From here on only the effective parameters count: the token may replace what the client asked for.
            public_id=begun["effective"].get("publicId") or begun["id"],
            deadline=begun["deadline"],
            insert_only=constraints["insertOnly"],
            most=self.most if bound is None else min(self.most, bound),
            token_digest=digest(value),
            length=size,
        )
        try:
            self._images.path(entry.public_id)
            await asyncio.to_thread(self.journal.write, entry)
            self.journal.part(entry).touch()
        except BaseException:
            await self.give_up(entry)
            raise
        return entry

    async def take_over(self, upload_id: str, *, insert_only: bool) -> Entry:
        """Takes up an upload that Countermark's Shardimage dialect has begun; whoever else made it up is refused."""
        try:
            begun = await self._countermark.view(upload_id)
        except Refused as refusal:
            raise Refused(404, refusal.code) from refusal
        if begun["beganBy"] != SHARDIMAGE or begun["state"] != "reserved" or self.journal.find(upload_id):
            raise Refused(403, "UPLOAD_CLOSED")
        effective, constraints = begun["effective"], begun["constraints"]
        bound = constraints["maxBytes"]
        entry = Entry(
            id=begun["id"],
            way="shardimage",
            public_id=f"{effective['cloudId']}/{effective['publicId'] or begun['id']}",
            deadline=begun["deadline"],
            insert_only=insert_only or constraints["insertOnly"],
            most=self.most if bound is None else min(self.most, bound),
            # Nobody continues it.
            token_digest="",
        )
        self._images.path(entry.public_id)
        await asyncio.to_thread(self.journal.write, entry)
        self.journal.part(entry).touch()
        return entry

    async def finish(self, entry: Entry) -> None:
        """Stores what was received and tells Countermark; if it cannot be told now, it is told later."""
        try:
            await self._place(entry)
        except (Refused, OSError):
            await self.give_up(entry)
            raise
        entry.state = "placed"
        await asyncio.to_thread(self.journal.write, entry)
        await self._confirm(entry)

    async def hand_in(self, entry: Entry) -> None:
        """Stores what was received of an upload that Countermark itself completes when it hears of it."""
        await self._place(entry)
        entry.state = "handed in"
        await asyncio.to_thread(self.journal.write, entry)
        self._open_ends.set()

    async def settle(self, entry: Entry) -> str:
        """Lets a handed-in upload count as Countermark says; its state there."""
        try:
            state = str((await self._countermark.view(entry.id))["state"])
        except Refused:
            # Ended so long ago that it is forgotten: what completed was published by then.
            state = "aborted"
        except Unanswered:
            self._open_ends.set()
            raise
        part = self.journal.part(entry)
        if state == "completed":
            await asyncio.to_thread(self._images.publish, part, entry.public_id, entry.result["existed"])
            entry.state = "done"
            await asyncio.to_thread(self.journal.write, entry)
        elif state == "aborted":
            await asyncio.to_thread(self._images.withdraw, part, entry.public_id)
            self.journal.forget(entry)
        else:
            self._open_ends.set()
        return state

    async def give_up(self, entry: Entry) -> None:
        """Removes what was received and gives the use back."""
        await asyncio.to_thread(self._images.withdraw, self.journal.part(entry), entry.public_id)
        entry.state = "abandoned"
        # On a full disk the note fails, too: giving the use back must not.
        with contextlib.suppress(OSError):
            await asyncio.to_thread(self.journal.write, entry)
        try:
            await self._countermark.abort(entry.id)
        except Unanswered:
            self._open_ends.set()
        else:
            self.journal.forget(entry)

    async def recover(self) -> None:
        """Takes up, at the start, what the last run of this server left unfinished."""
        for entry in list(self.journal.entries()):
            whole = entry.way == "tus" and self.journal.part(entry).exists()
            received = self.journal.part(entry).stat().st_size if whole else 0
            if entry.state == "done" and entry.changed_at < time.time() - DAY:
                self.journal.forget(entry)
            elif entry.state == "receiving" and (entry.way != "tus" or entry.deadline <= time.time()):
                await self.give_up(entry)
            elif entry.state == "receiving" and received == entry.length:
                with contextlib.suppress(Refused, Unanswered):
                    await self.finish(entry)
        self._open_ends.set()

    async def tie_up(self) -> None:
        """Tells Countermark, again and again, what it could not be told before; runs as long as the server."""
        pause = 1
        while True:
            await self._open_ends.wait()
            self._open_ends.clear()
            with self._trying_again():
                for entry in [it for it in self.journal.entries() if it.state in OPEN_ENDS]:
                    with self._trying_again(), contextlib.suppress(Refused, Unanswered):
                        await {"placed": self._confirm, "handed in": self.settle}.get(entry.state, self.give_up)(entry)
            pause = min(pause * 2, 60) if self._open_ends.is_set() else 1
            await asyncio.sleep(pause)

    @contextlib.contextmanager
    def _trying_again(self) -> Iterator[None]:
        try:
            yield
        except OSError:
            # Such as a full disk: it passes, and the task that ties up must outlive it.
            log.exception("what has become of an upload could not be noted; it is tried again")
            self._open_ends.set()

    async def _place(self, entry: Entry) -> None:
        part = self.journal.part(entry)
        facts = await asyncio.to_thread(inspect, part)
        existed = await asyncio.to_thread(self._images.place, part, entry.public_id, entry.insert_only)
        entry.result = {
            "bytes": facts.size,
            "contentType": facts.content_type,
            "contentTypeFrom": "content",
            "existed": existed,
            "sha256": facts.sha256,
        }

    async def _confirm(self, entry: Entry) -> None:
        try:
            answer = await self._countermark.complete(entry.id, entry.result)
        except Refused:
            await self.give_up(entry)
            raise
        except Unanswered:
            self._open_ends.set()
            raise
        part = self.journal.part(entry)
        await asyncio.to_thread(self._images.publish, part, entry.public_id, entry.result["existed"])
        entry.state = "done"
        entry.remaining = answer.get("remaining")
        await asyncio.to_thread(self.journal.write, entry)
