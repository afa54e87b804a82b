"""Methods for figures and the audit log."""

# Generated from async_client/ by bindings/python/generate-client: change it there.

from __future__ import annotations

from collections.abc import Iterator

from countermark.records.figures import AuditEntry, Nodes, StatsBucket, UsageBucket
from countermark.service.arguments import Duration, Instant
from countermark.service.client.core import Core
from countermark.service.operations import figures

__all__ = ["FigureMethods"]


class FigureMethods(Core):
    """Uses over time, and who did what."""

    def usage(
        self,
        token_id: str,
        *,
        start: Instant | None = None,
        end: Instant | None = None,
        step: Duration | None = None,
    ) -> tuple[UsageBucket, ...]:
        """A token's uses and refusals over time, at most 5 s late. Needs ``tokens:read``.

        Args:
            token_id: the token.
            start: first second; none is a day before ``end``.
            end: the second after the last; none is now.
            step: seconds of a bucket, a multiple of 3600, which is also the default.

        Returns:
            Every bucket, oldest first, also those without any; at most 1,000.

        Raises:
            NotFound: there is no such token, or none that the key may see.
            ServiceError: any other failure.
        """
        return self._send(figures.usage(token_id, start=start, end=end, step=step))

    def stats(
        self, *, start: Instant | None = None, end: Instant | None = None, step: Duration | None = None
    ) -> tuple[StatsBucket, ...]:
        """The decisions of the whole installation over time, by code. Needs ``tokens:read``, unbound.

        Args are those of :meth:`usage`.

        Raises:
            ServiceError: the service could not tell.
        """
        return self._send(figures.stats(start=start, end=end, step=step))

    def nodes(self) -> Nodes:
        """The nodes of the installation, as the answering one sees them. Needs ``tokens:read``, unbound.

        Raises:
            ServiceError: the service could not tell.
        """
        return self._send(figures.nodes())

    def audit(
        self,
        *,
        token: str | None = None,
        actor: str | None = None,
        action: str | None = None,
        page_size: int = 100,
    ) -> Iterator[AuditEntry]:
        """The audit log, newest first, fetched page by page while it is iterated. Needs ``audit:read``.

        Args:
            token: about this token only.
            actor: by this key only.
            action: this action only, as ``token.issue``.
            page_size: entries fetched at once, 1 to 200.

        Raises:
            ServiceError: the service could not tell; while iterating.
        """
        filters = {"token": token, "actor": actor, "action": action, "limit": page_size}
        return self._each(figures.audit_page, filters)
