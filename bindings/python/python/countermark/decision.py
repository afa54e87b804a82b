"""What is asked about a use, and what is answered: the same here and at the service."""

from __future__ import annotations

from dataclasses import dataclass, field

from countermark.errors import REFUSALS, Refused

__all__ = ["Decision", "Request"]


@dataclass(frozen=True)
class Request:
    """The facts of one request. A restriction of the token whose fact is missing refuses.

    With a signed URL, host, cloud, path and query come from the URL alone.
    """

    method: str | None = None
    """HTTP method, upper case; none is GET."""
    cloud_id: str | None = None
    """Cloud that the request is for."""
    path: str | None = None
    """Undecoded path that the request is for."""
    destination: str | None = None
    """Undecoded path of the ``Destination`` of a MOVE or COPY."""
    permission: str | None = None
    """Permission that the request needs, as ``files:write``; looked at for API keys only."""
    storage: str | None = None
    """Storage that the request is for."""
    bytes: int | None = None
    """Size of the upload in bytes."""
    content_type: str | None = None
    """Content type of the upload."""
    public_id: str | None = None
    """Name that the client gives the upload."""
    upload_id: str | None = None
    """The live upload that the request continues, ``upl_…``."""
    client_ip: str | None = None
    """Address of the client, for count windows."""
    basic: tuple[str, str] | None = field(default=None, repr=False)
    """User name and password of the viewer's HTTP Basic credentials."""


@dataclass(frozen=True)
class Decision:
    """Whether a use is allowed. True if it is, so that ``if decision:`` asks the right thing."""

    allowed: bool
    code: str
    """``ALLOWED``, or the code of the refusal."""
    token_id: str | None = None
    """The token that was decided about, where one was found."""
    type: str | None = None
    """``imageUrl``, ``upload`` or ``apiKey``."""
    owner: str | None = None
    """On whose behalf the token acts."""
    limit: int | None = None
    """Most uses in the token's whole life; none is unlimited."""
    used: int | None = None
    """Uses so far, this one included; none where only the service knows."""
    remaining: int | None = None
    """Uses left; none without a limit."""
    expiry: int | None = None
    """Unix seconds from which on the token no longer works."""

    def __bool__(self) -> bool:
        return self.allowed

    def raise_for_refusal(self) -> Decision:
        """This decision if it allows.

        Raises:
            Refused: the subclass of the decision's code, if it refuses.
        """
        if self.allowed:
            return self
        raise REFUSALS[self.code]() if self.code in REFUSALS else Refused(code=self.code)
