"""What is demanded of a request, and what the service is asked about it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from countermark._native import Signer, VerifiedUrl, looks_signed, unverified_token_id
from countermark.decision import Decision
from countermark.errors import InvalidArgument, UnknownToken, WrongType
from countermark.web.original import Original
from countermark.web.presented import NoCredential, Presented

if TYPE_CHECKING:
    from countermark import AsyncClient, Client

__all__ = ["Ask", "Demand", "Signers", "TokenType", "verify_link"]

TokenType = Literal["imageUrl", "upload", "apiKey"]
"""Types of tokens; those of type `imageUrl` are presented as signed URLs."""

Signers: TypeAlias = Signer | Mapping[str, Signer]
"""One token's signer, or those of several by token id."""

# The grammar of the service.
_PERMISSION = re.compile(r"\*|[a-z][A-Za-z0-9_.-]*(?::[A-Za-z0-9_.*-]+)?")
_TYPES: tuple[TokenType, ...] = ("imageUrl", "upload", "apiKey")
# What values of our own form begin with. Tokens of foreign dialects have others, which tell no type.
_OWN_FORMS: dict[str, TokenType] = {"cmu_": "upload", "cmk_": "apiKey"}


@dataclass(frozen=True)
class Demand:
    """What a request must have. Equal demands are one: a framework may ask once for both."""

    permission: str | None = None
    """Permission that an API key must have; needed where `types` has `apiKey`."""
    storage: str | None = None
    """Storage that the request is for."""
    cloud_id: str | None = None
    """Cloud that the request is for; that of a signed URL stands in the URL."""
    cost: int = 1
    """Uses that the request takes, all or none; 0 takes nothing."""
    types: tuple[TokenType, ...] = ("apiKey",)
    """Types of tokens with which one may come. An upload token knows no permissions, nor does a signed URL:
    they open only what names them here."""
    reads_query: bool = False
    """Whether a value may also come as `?token=`. Servers write queries into their access logs."""
    reads_client_ip: bool = False
    """Whether to tell the service the address that the server names for the client, for count windows. Behind
    a proxy, that is the proxy's, and all viewers are one, unless the server or a middleware puts the
    client's in its place."""

    def __post_init__(self) -> None:
        """Finds what cannot be meant when the application starts, not at its first request."""
        # Settings are written without types.
        given: Any = self
        is_listed = isinstance(given.types, tuple | list)
        kinds: tuple[Any, ...] = tuple(given.types) if is_listed else ()
        if not kinds or any(kind not in _TYPES for kind in kinds):
            raise InvalidArgument(f"types: expected a tuple of at least one of {', '.join(_TYPES)}")
        object.__setattr__(self, "types", kinds)
        if "apiKey" in self.types and not self.permission:
            raise InvalidArgument("permission: expected one, such as files:read, since API keys are let in")
        if self.permission is not None and not _is_permission(given.permission):
            raise InvalidArgument("permission: expected one such as read, tokens:write or files:*")
        if type(given.cost) is not int or not 0 <= self.cost < 2**63:
            raise InvalidArgument("cost: expected a whole number of 0 or more uses")
        for name in ("storage", "cloud_id"):
            if not isinstance(getattr(given, name), str | None):
                raise InvalidArgument(f"{name}: expected text or nothing")
        for name in ("reads_query", "reads_client_ip"):
            if not isinstance(getattr(given, name), bool):
                raise InvalidArgument(f"{name}: expected True or False")

    def ask(self, original: Original) -> Ask:
        """What to ask the service about this request.

        Raises:
            NoCredential: if the request presents nothing.
            Malformed: if it presents several credentials, or is not what it seems.
            UnknownToken: if it presents what nobody could have issued.
            WrongType: if it presents what is not let in here.
            TargetUnknown: if signed URLs are let in and the server does not tell the target.
        """
        if "imageUrl" in self.types:
            _ = original.url
        presented = Presented.read(original, reads_query=self.reads_query)
        facts = original.facts(permission=self.permission, storage=self.storage, cloud_id=self.cloud_id)
        if not self.reads_client_ip:
            facts = replace(facts, client_ip=None)
        if presented.url is not None:
            if "imageUrl" not in self.types:
                raise WrongType
            # Host, cloud and path come from the URL alone; others beside it would contradict.
            facts = replace(facts, cloud_id=None, path=None, basic=presented.viewer)
            return Ask(
                {"url": presented.url, "request": facts, "cost": self.cost}, self.types, is_type_known=True
            )
        value = presented.value if presented.basic is None else presented.basic[0]
        kind = _OWN_FORMS.get((value or "")[:4])
        if kind is not None and kind not in self.types:
            raise WrongType
        credential = {"basic": presented.basic} if presented.basic is not None else {"value": presented.value}
        arguments = {**credential, "request": facts, "cost": self.cost}
        return Ask(
            arguments, self.types, is_type_known=kind is not None or {"upload", "apiKey"} <= set(self.types)
        )

    def decide(self, original: Original, client: Client) -> Decision:
        """What the service decides about this request; it allows.

        Raises:
            Refused: if it does not.
            ServiceError: if it did not decide.
            TargetUnknown: if signed URLs are let in and the server does not tell the target.
        """
        ask = self.ask(original)
        if not ask.is_type_known:
            ask.judge(client.authorize(**ask.arguments, dry_run=True))
        return ask.judge(client.authorize(**ask.arguments))

    async def decide_async(self, original: Original, client: AsyncClient) -> Decision:
        """As :meth:`decide`."""
        ask = self.ask(original)
        if not ask.is_type_known:
            ask.judge(await client.authorize(**ask.arguments, dry_run=True))
        return ask.judge(await client.authorize(**ask.arguments))


@dataclass(frozen=True)
class Ask:
    """A question to `Client.authorize` or `AsyncClient.authorize`."""

    arguments: dict[str, Any] = field(repr=False)
    """Its arguments."""
    types: tuple[TokenType, ...]
    """Types of tokens that are let in."""
    is_type_known: bool
    """Whether the credential tells its type. If not, ask with `dry_run` first: a refusal must cost
    nothing."""

    def judge(self, decision: Decision) -> Decision:
        """The decision if it allows, with a token that is let in.

        Raises:
            Refused: otherwise.
        """
        decision.raise_for_refusal()
        if decision.type not in self.types:
            raise WrongType
        return decision


def _is_permission(given: object) -> bool:
    return isinstance(given, str) and len(given) <= 128 and _PERMISSION.fullmatch(given) is not None


def verify_link(signers: Signers, original: Original) -> VerifiedUrl:
    """What the request's own signed URL says, proven without network; knows neither revocation nor limit.

    Other credentials are left alone: they may be the application's own.

    Raises:
        NoCredential: if the request is not signed.
        UnknownToken: if the signature names a token that is not among the signers.
        Refused: `Malformed`, `BadSignature`, `LinkExpired`, `MethodDenied` and `WrongHost` as by
            `Signer.verify`.
        TargetUnknown: if the server does not tell the target.
    """
    url = original.url
    if not looks_signed(original.target or ""):
        raise NoCredential
    if isinstance(signers, Signer):
        return signers.verify(url, method=original.method)
    signer = signers.get(unverified_token_id(url))
    if signer is None:
        raise UnknownToken
    return signer.verify(url, method=original.method)
