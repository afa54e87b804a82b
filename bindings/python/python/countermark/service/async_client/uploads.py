"""Methods about uploads."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

from countermark.errors import CountermarkError, Unavailable, UnexpectedAnswer
from countermark.records.upload import EffectiveParameters, Upload, UploadConstraints
from countermark.service.arguments import fresh_idempotency_key
from countermark.service.async_client.core import AsyncCore
from countermark.service.async_client.shield import finished
from countermark.service.call import Call
from countermark.service.operations import uploads

__all__ = ["AsyncLiveUpload", "AsyncUploadMethods"]

log = logging.getLogger("countermark")


class AsyncUploadMethods(AsyncCore):
    """Begin, complete and abort uploads."""

    async def begin_upload(
        self,
        value: str | None = None,
        *,
        public_id: str | None = None,
        bytes: int | None = None,
        content_type: str | None = None,
        tags: Sequence[str] | None = None,
        transformation: str | None = None,
        format: str | None = None,
        projection: str | None = None,
        cloud_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> Upload:
        """Reserves a use for an upload and says what it really gets. Needs ``authorize``.

        Args:
            value: the upload token's value as its holder presented it; none if that is the client's own key.
            public_id: name that the holder gives the image.
            bytes: size, which a token that bounds it demands to know.
            content_type: content type, which a token that bounds it demands to know.
            tags: tags that the holder asks for.
            transformation: transformation to store the image with.
            format: image format.
            projection: projection.
            cloud_id: target cloud; none is the token's.
            idempotency_key: a repetition with the same key within 24 hours finds the same upload.

        Raises:
            Refused: the token refuses; the subclass says why.
            Throttled: too many uploads of the token are under way (``TOO_MANY_UPLOADS``).
            Conflict: the upload of this idempotency key was aborted since (``USE_GIVEN_BACK``).
            ServiceError: any other failure.
        """
        return await self._send(
            uploads.begin(
                value,
                public_id=public_id,
                bytes=bytes,
                content_type=content_type,
                tags=tags,
                transformation=transformation,
                format=format,
                projection=projection,
                cloud_id=cloud_id,
                key=idempotency_key or self._fresh_key(),
            )
        )

    @asynccontextmanager
    async def upload(
        self,
        value: str,
        *,
        public_id: str | None = None,
        bytes: int | None = None,
        content_type: str | None = None,
        tags: Sequence[str] | None = None,
        transformation: str | None = None,
        format: str | None = None,
        projection: str | None = None,
        cloud_id: str | None = None,
        idempotency_key: str | None = None,
    ) -> AsyncGenerator[AsyncLiveUpload]:
        """An upload around a block: begun before it, completed after it, aborted if it raises.

        Store by ``effective``, and :meth:`~LiveUpload.report` what was stored. The block's own exception is
        raised again after the abort, and so is a cancellation, at whatever moment it comes. If the service
        refuses the completion, as with ConstraintFailed, the upload is aborted and the refusal raised: remove
        what was stored. If the completion gets no answer, the upload is left as it is, and may be completed
        with :meth:`complete_upload` until its deadline. Arguments are those of :meth:`begin_upload`. Needs
        ``authorize``.

        Raises:
            Refused: the token refuses at the beginning, or the report at the end; the subclass says why.
            Throttled: too many uploads of the token are under way (``TOO_MANY_UPLOADS``).
            ServiceError: any other failure.
        """
        begin = uploads.begin(
            value,
            public_id=public_id,
            bytes=bytes,
            content_type=content_type,
            tags=tags,
            transformation=transformation,
            format=format,
            projection=projection,
            cloud_id=cloud_id,
            # Also where calls are never repeated: by it, an interrupted beginning is found again.
            key=idempotency_key or fresh_idempotency_key(),
        )
        try:
            live = AsyncLiveUpload(self, await self._send(begin))
        except Exception:
            raise
        except BaseException:
            await finished(lambda: self._unbegin(begin))
            raise
        try:
            yield live
        except BaseException:
            await finished(live._give_back)  # pyright: ignore[reportPrivateUsage]
            raise
        try:
            await live.complete()
        except (Unavailable, UnexpectedAnswer):
            raise  # It may be completed.
        except Exception:
            await finished(live._give_back)  # pyright: ignore[reportPrivateUsage]
            raise

    async def _unbegin(self, begin: Call[Upload]) -> None:
        """Aborts what an interrupted call has begun; by the call's idempotency key, a repetition finds it."""
        try:
            live = AsyncLiveUpload(self, await self._send(begin))
        except Exception as error:
            log.warning("whether an interrupted upload has begun is not known: %s", told_apart(error))
        else:
            await live._give_back()  # pyright: ignore[reportPrivateUsage]

    async def complete_upload(
        self,
        upload_id: str,
        *,
        bytes: int | None = None,
        content_type: str | None = None,
        existed: bool | None = None,
        **more: object,
    ) -> Upload:
        """Completes an upload: its use is spent. Repeating the call changes nothing. Needs ``authorize``.

        Args:
            upload_id: the upload, ``upl_…``.
            bytes: size in bytes; judged if the token bounds it.
            content_type: content type; judged if the token bounds it.
            existed: whether something of the same name was replaced; judged for ``insertOnly``.
            more: anything else that JSON can hold, at most 8 KiB with the rest; receivers of notifications
                get it.

        Raises:
            ConstraintFailed: the report is not as the token demands, and the upload stays reserved: abort it.
            Conflict: the upload has ended another way (``UPLOAD_CLOSED``).
            NotFound: there is no such upload, or none that the key reaches.
            ServiceError: any other failure.
        """
        return await self._send(
            uploads.complete(upload_id, uploads.report(bytes, content_type, existed, more))
        )

    async def abort_upload(self, upload_id: str) -> Upload:
        """Aborts an upload: its use goes back. Repeating it changes nothing. Needs ``authorize``.

        Raises:
            Conflict: the upload is completed (``UPLOAD_CLOSED``).
            NotFound: there is no such upload, or none that the key reaches.
            ServiceError: any other failure.
        """
        return await self._send(uploads.abort(upload_id))

    async def view_upload(self, upload_id: str) -> Upload:
        """An upload, until seven days after its end. Needs ``authorize``.

        Raises:
            NotFound: there is no such upload, or none that the key reaches.
            ServiceError: any other failure.
        """
        return await self._send(uploads.view(upload_id))


class AsyncLiveUpload:
    """An upload within its block."""

    def __init__(self, client: AsyncUploadMethods, begun: Upload) -> None:
        self._client = client
        self._report: dict[str, object] = {}
        self.upload = begun
        """What the service last said of it."""
        self.is_ended = False
        """Whether it is completed or aborted, so that the end of the block does neither."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.upload.id!r})"

    @property
    def id(self) -> str:
        """Public handle ``upl_…``."""
        return self.upload.id

    @property
    def effective(self) -> EffectiveParameters:
        """The parameters that the upload really gets: store by these."""
        return self.upload.effective

    @property
    def constraints(self) -> UploadConstraints:
        """What the upload must be."""
        return self.upload.constraints

    @property
    def remaining(self) -> int | None:
        """Uses that its token has left; none is unlimited."""
        return self.upload.remaining

    @property
    def deadline(self) -> int:
        """Unix seconds from which on it is aborted by itself."""
        return self.upload.deadline

    def report(
        self,
        *,
        bytes: int | None = None,
        content_type: str | None = None,
        existed: bool | None = None,
        **more: object,
    ) -> None:
        """Says what was stored; sent when the upload completes. Later members replace earlier ones.

        Args are those of :meth:`Client.complete_upload`.

        Raises:
            InvalidArgument: it is not what JSON can hold, or more than 8 KiB with what was said before.
        """
        said = self._report | uploads.report(bytes, content_type, existed, more)
        uploads.demand_sendable(said)
        self._report = said

    async def complete(self) -> Upload:
        """Completes the upload now, as reported; it raises what :meth:`Client.complete_upload` does."""
        if not self.is_ended:
            self.upload = await self._client._send(uploads.complete(self.id, self._report))  # pyright: ignore[reportPrivateUsage]
            self.is_ended = True
        return self.upload

    async def abort(self) -> Upload:
        """Aborts the upload now; it raises what :meth:`Client.abort_upload` does."""
        if not self.is_ended:
            self.upload = await self._client.abort_upload(self.id)
            self.is_ended = True
        return self.upload

    async def _give_back(self) -> None:
        """Aborts beside an exception that counts for more; else the use goes back at the deadline."""
        try:
            await self.abort()
        except Exception as error:
            log.warning("upload %s was not aborted, and ends at its deadline: %s", self.id, told_apart(error))


def told_apart(error: Exception) -> str:
    """What a log may say of an exception: its code, or the name of one that has none."""
    return error.code if isinstance(error, CountermarkError) else type(error).__name__
