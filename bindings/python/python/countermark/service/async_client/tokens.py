"""Methods about tokens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Literal

from countermark.records.settings import ExtraSettings, NotifySettings
from countermark.records.token import Issued, RevealedValue, TokenRecord
from countermark.service.arguments import UNSET, Duration, Instant, Unset
from countermark.service.async_client.core import AsyncCore
from countermark.service.operations import tokens

__all__ = ["AsyncTokenMethods"]


class AsyncTokenMethods(AsyncCore):
    """Issue, view, change and end tokens."""

    async def issue(
        self,
        type: Literal["imageUrl", "upload", "apiKey"],
        *,
        name: str | None = None,
        description: str | None = None,
        owner: str | None = None,
        labels: Mapping[str, str] | None = None,
        enabled: bool = True,
        not_before: Instant | None = None,
        expiry: Instant | None = None,
        ttl: Duration | None = None,
        limit: int | None = None,
        counting: Literal["get", "request"] | None = None,
        count_window: int | None = None,
        permissions: Sequence[str] | None = None,
        base_path: str | None = None,
        storages: Sequence[str] | None = None,
        clouds: Sequence[str] | None = None,
        notify: NotifySettings | None = None,
        auto_delete: bool = False,
        recoverable: bool = False,
        extra: ExtraSettings | None = None,
        idempotency_key: str | None = None,
    ) -> Issued:
        """Issues a token. Its value or secret is in the answer, and nowhere again unless it is recoverable.

        Needs the permission ``tokens:write``. Bounds that are left open become those of the client's own key.

        Args:
            type: what the token is for: it signs URLs, is presented by upload clients, or has permissions.
            name: display name, 1 to 200 characters.
            description: free text of at most 2,000 characters.
            owner: on whose behalf it acts; answered with every decision.
            labels: at most 20, by name; a name holds no ``=``.
            enabled: whether it may be used at once.
            not_before: first second at which it works; none is from the beginning.
            expiry: first second at which it no longer works; none is never.
            ttl: seconds from now, instead of ``expiry``.
            limit: most uses in its whole life; none is unlimited, 0 is none.
            counting: imageUrl: whether only GET counts (``get``, the default) or every allowed request.
            count_window: imageUrl: seconds within which GETs of one target by one client are the same use.
            permissions: apiKey: what it may do, as ``authorize`` or ``files:*``.
            base_path: apiKey: path that it is confined to, by whole segments.
            storages: apiKey: storages that it may touch; none is all.
            clouds: apiKey: clouds that it may touch; none is all.
            notify: which events of its life are told, and to whom.
            auto_delete: whether the record may be swept away once it has expired.
            recoverable: whether the value or secret is kept sealed, to be revealed again.
            extra: imageUrl, upload: further settings.
            idempotency_key: a repetition with the same key within 24 hours gets the same answer.

        Raises:
            InvalidArgument: an argument cannot be sent.
            BadRequest: the service does not accept an argument; ``problem.members`` says which.
            Forbidden: the key lacks the permission, or the token would have more rights than it.
            IdempotencyMismatch: the idempotency key was used for another call.
            ServiceError: any other failure, as :class:`countermark.errors.Unavailable`.
        """
        return await self._send(
            tokens.issue(
                type,
                name=name,
                description=description,
                owner=owner,
                labels=labels,
                enabled=None if enabled else False,
                not_before=not_before,
                expiry=expiry,
                ttl=ttl,
                limit=limit,
                counting=counting,
                count_window=count_window,
                permissions=permissions,
                base_path=base_path,
                storages=storages,
                clouds=clouds,
                notify=notify,
                auto_delete=auto_delete or None,
                recoverable=recoverable or None,
                extra=extra,
                key=idempotency_key or self._fresh_key(),
            )
        )

    async def view(self, token_id: str) -> TokenRecord:
        """A token's record. Needs ``tokens:read``.

        Raises:
            NotFound: there is no such token, or none that the key may see.
            ServiceError: any other failure.
        """
        return await self._send(tokens.view(token_id))

    async def exists(self, token_id: str) -> bool:
        """Whether there is such a token, be it revoked, that the key may see. Needs ``tokens:read``.

        Raises:
            ServiceError: the service could not tell.
        """
        return await self._send(tokens.exists(token_id))

    async def update(
        self,
        token_id: str,
        *,
        name: str | None | Unset = UNSET,
        description: str | None | Unset = UNSET,
        owner: str | None | Unset = UNSET,
        labels: Mapping[str, str | None] | None | Unset = UNSET,
        enabled: bool | Unset = UNSET,
        not_before: Instant | None | Unset = UNSET,
        expiry: Instant | None | Unset = UNSET,
        limit: int | None | Unset = UNSET,
        counting: Literal["get", "request"] | None | Unset = UNSET,
        count_window: int | None | Unset = UNSET,
        permissions: Sequence[str] | None | Unset = UNSET,
        base_path: str | None | Unset = UNSET,
        storages: Sequence[str] | None | Unset = UNSET,
        clouds: Sequence[str] | None | Unset = UNSET,
        notify: NotifySettings | None | Unset = UNSET,
        auto_delete: bool | Unset = UNSET,
        extra: ExtraSettings | Unset = UNSET,
        if_match: int | None = None,
    ) -> TokenRecord:
        """Changes a token: what is left out stays, None resets. Needs ``tokens:write``.

        Arguments are those of :meth:`issue`. ``labels`` and ``extra`` are merged member by member: a label or
        setting of None is removed. When a narrowing has been answered, no use beyond it is allowed any more.

        Args:
            token_id: the token.
            if_match: the ``revision`` that the record must still have. Such a change is not repeated by the
                client when its answer is lost, since it would not find that revision again.

        Raises:
            NotFound: there is no such token, or none that the key may see.
            PreconditionFailed: the record has changed since it had the revision ``if_match``.
            Conflict: it is revoked (``REVOKED_TOKEN``), or the limit would lie below its uses
                (``LIMIT_BELOW_USED``).
            BadRequest: the service does not accept an argument; ``problem.members`` says which.
            Forbidden: the key's rights do not cover the token as it is or would be.
            ServiceError: any other failure.
        """
        return await self._send(
            tokens.update(
                token_id,
                if_match=if_match,
                name=name,
                description=description,
                owner=owner,
                labels=labels,
                enabled=enabled,
                not_before=not_before,
                expiry=expiry,
                limit=limit,
                counting=counting,
                count_window=count_window,
                permissions=permissions,
                base_path=base_path,
                storages=storages,
                clouds=clouds,
                notify=notify,
                auto_delete=auto_delete,
                extra=extra,
            )
        )

    async def revoke(self, token_id: str, *, cascade: bool = False, purge: bool = False) -> None:
        """Ends a token for ever; when this returns, no further use is allowed. Needs ``tokens:write``.

        Repeating it changes nothing. The record stays visible as ``revoked``.

        Args:
            token_id: the token.
            cascade: also revokes all that this key has issued, down to the last.
            purge: also removes the record and its figures; then a repetition by hand raises NotFound.

        Raises:
            NotFound: there is no such token, or none that the key may see.
            Forbidden: the token's rights go beyond those of the key, or it is the key itself.
            ServiceError: any other failure.
        """
        await self._send(tokens.revoke(token_id, cascade=cascade, purge=purge))

    def list(
        self,
        *,
        type: Literal["imageUrl", "upload", "apiKey"] | None = None,
        status: Literal["revoked", "disabled", "expired", "exhausted", "notYetValid", "active"] | None = None,
        owner: str | None = None,
        name: str | None = None,
        label: str | None = None,
        q: str | None = None,
        dialect: str | None = None,
        page_size: int = 100,
    ) -> AsyncIterator[TokenRecord]:
        """All tokens that fit, newest first, fetched page by page on the way. Needs ``tokens:read``.

        Args:
            type: of this type only.
            status: of this status only.
            owner: of this owner only.
            name: of this name only.
            label: with this label, as ``campaign=spring``, or ``campaign`` with any value.
            q: with this text in name, description, owner, id or preview.
            dialect: issued in this wire format, as ``native``.
            page_size: tokens fetched at once, 1 to 200.

        Raises:
            BadRequest: the service does not accept a filter.
            ServiceError: any other failure, while iterating.
        """
        filters = {"type": type, "status": status, "owner": owner, "name": name, "label": label, "q": q}
        return self._each(tokens.page, {**filters, "dialect": dialect, "limit": page_size})

    async def regenerate(
        self, token_id: str, *, overlap: Duration | None = None, idempotency_key: str | None = None
    ) -> Issued:
        """Makes a new value or the next secret version; id, limit and uses stay. Needs ``tokens:write``.

        Args:
            token_id: the token.
            overlap: seconds for which the old one goes on working; none ends it at once.
            idempotency_key: a repetition with the same key within 24 hours gets the same answer.

        Raises:
            NotFound: there is no such token, or none that the key may see.
            Conflict: it is revoked (``REVOKED_TOKEN``), or has had 65,535 secret versions
                (``VERSIONS_EXHAUSTED``).
            Forbidden: the token's rights go beyond those of the key, or it is the key itself.
            ServiceError: any other failure.
        """
        key = idempotency_key or self._fresh_key()
        return await self._send(tokens.regenerate(token_id, overlap=overlap, key=key))

    async def reveal(self, token_id: str) -> RevealedValue:
        """Shows the value or newest secret of a recoverable token. Needs ``tokens:reveal``; is audited.

        Raises:
            Conflict: it is not kept (``NOT_RECOVERABLE``).
            NotFound: there is no such token, or none that the key may see.
            ServiceError: any other failure.
        """
        return await self._send(tokens.reveal(token_id))
