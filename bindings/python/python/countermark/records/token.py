"""Tokens as the service shows them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from countermark.errors import InvalidArgument
from countermark.records.extra import ImageUrlExtra, Notify, SecretVersion, UploadExtra
from countermark.records.shape import Members, as_text, others, to_json

if TYPE_CHECKING:
    from countermark._native import Signer

__all__ = ["Issued", "RevealedValue", "TokenRecord"]

IMAGE_URL = {"only": "imageUrl"}
API_KEY = {"only": "apiKey"}


@dataclass(frozen=True)
class TokenRecord:
    """A token as the service shows it: never its value or secret. Instants are Unix seconds."""

    id: str
    """Public handle ``iu_…``, ``up_…`` or ``ak_…``; may be logged."""
    type: str
    """``imageUrl``, ``upload`` or ``apiKey``."""
    status: str
    """First of these: ``revoked``, ``disabled``, ``expired``, ``exhausted``, ``notYetValid``, ``active``."""
    enabled: bool
    """Reversible switch."""
    used: int
    """Uses so far; without a limit a statistic, at most 5 s late."""
    revision: int
    """Counts changes of the configuration, not uses; for ``if_match``."""
    dialect: str
    """Wire format in which it was issued; ``native`` is the service's own."""
    created_at: int
    """When it was issued."""
    updated_at: int
    """When its configuration last changed."""
    name: str | None = None
    """Display name."""
    description: str | None = None
    """Free text."""
    owner: str | None = None
    """On whose behalf it acts."""
    labels: Mapping[str, str] = field(default_factory=dict[str, str])
    """Labels by name."""
    not_before: int | None = None
    """First second at which it works; none is from the beginning."""
    expiry: int | None = None
    """First second at which it no longer works; none is never."""
    limit: int | None = None
    """Most uses in its whole life; none is unlimited."""
    remaining: int | None = None
    """Uses left; none is unlimited."""
    counting: str | None = field(default=None, metadata=IMAGE_URL)
    """imageUrl: ``get`` or ``request``, which allowed requests are uses."""
    count_window: int | None = field(default=None, metadata=IMAGE_URL)
    """imageUrl: seconds within which GETs of one target by one client are the same use."""
    secret_versions: tuple[SecretVersion, ...] | None = field(default=None, metadata=IMAGE_URL)
    """imageUrl: the versions of its secret, oldest first."""
    legacy_signatures: bool | None = field(default=None, metadata=IMAGE_URL)
    """imageUrl: whether it verifies the legacy form instead of ``cm1``."""
    permissions: tuple[str, ...] | None = field(default=None, metadata=API_KEY)
    """apiKey: what it may do."""
    base_path: str | None = field(default=None, metadata=API_KEY)
    """apiKey: path that it is confined to."""
    storages: tuple[str, ...] | None = field(default=None, metadata=API_KEY)
    """apiKey: storages that it may touch; none is all."""
    clouds: tuple[str, ...] | None = field(default=None, metadata=API_KEY)
    """apiKey: clouds that it may touch; none is all."""
    source_networks: tuple[str, ...] | None = field(default=None, metadata={"only": None})
    """apiKey of the Shardimage dialect: networks from which it may manage."""
    notify: Notify | None = None
    """Which events of its life are told, and to whom."""
    auto_delete: bool = False
    """Whether the record may be swept away once it has expired."""
    recoverable: bool = False
    """Whether the value or secret can be shown again."""
    preview: str | None = None
    """Leading characters of the value; none for imageUrl."""
    extra: ImageUrlExtra | UploadExtra | None = field(default=None, metadata={"only": None})
    """imageUrl, upload: further settings."""
    last_used_at: int | None = None
    """When its last use was granted; at most 5 s late."""
    revoked_at: int | None = None
    """When it was revoked."""
    created_by: str | None = None
    """The key that issued it; none for the first administrator."""
    _others: Mapping[str, object] = others()

    def to_json(self) -> dict[str, Any]:
        """The record in the service's own JSON, as :class:`countermark.Token` and other programs read it."""
        return cast("dict[str, Any]", to_json(self))

    @classmethod
    def from_json(cls, found: object, where: str = "") -> TokenRecord:
        """Reads the service's JSON; a value or secret in it is left aside.

        Members that only a newer service knows are kept for :meth:`to_json`, so that Token refuses them.

        Raises:
            UnexpectedAnswer: a member is missing or of another type.
        """
        members = Members(found, where)
        kind = members.text("type")
        shapes: dict[str, Callable[[object, str], ImageUrlExtra | UploadExtra]] = {
            "imageUrl": ImageUrlExtra.from_json,
            "upload": UploadExtra.from_json,
        }
        return cls(
            id=members.text("id"),
            type=kind,
            status=members.text("status"),
            enabled=members.flag("enabled"),
            used=members.number("used"),
            revision=members.number("revision"),
            dialect=members.text("dialect"),
            created_at=members.number("createdAt"),
            updated_at=members.number("updatedAt"),
            name=members.text_or_none("name"),
            description=members.text_or_none("description"),
            owner=members.text_or_none("owner"),
            labels=members.map("labels", as_text),
            not_before=members.number_or_none("notBefore"),
            expiry=members.number_or_none("expiry"),
            limit=members.number_or_none("limit"),
            remaining=members.number_or_none("remaining"),
            counting=members.text_or_none("counting"),
            count_window=members.number_or_none("countWindow"),
            secret_versions=members.items_or_none("secretVersions", SecretVersion.from_json),
            legacy_signatures=members.flag_or_none("legacySignatures"),
            permissions=members.texts_or_none("permissions"),
            base_path=members.text_or_none("basePath"),
            storages=members.texts_or_none("storages"),
            clouds=members.texts_or_none("clouds"),
            source_networks=members.texts_or_none("sourceNetworks"),
            notify=members.read_or_none("notify", Notify.from_json),
            auto_delete=members.flag("autoDelete"),
            recoverable=members.flag("recoverable"),
            preview=members.text_or_none("preview"),
            extra=members.read_or_none("extra", shapes[kind]) if kind in shapes else None,
            last_used_at=members.number_or_none("lastUsedAt"),
            revoked_at=members.number_or_none("revokedAt"),
            created_by=members.text_or_none("createdBy"),
            _others=members.others(
                "value", "keyVersion", *(("extra",) if members.found.get("extra") is None else ())
            ),
        )


@dataclass(frozen=True)
class Issued:
    """A token with what is shown once only, at issue and regeneration. ``repr`` does not show it."""

    token: TokenRecord
    """The record."""
    value: str | None = field(default=None, repr=False)
    """upload, apiKey: the value to hand to the holder."""
    secret: str | None = field(default=None, repr=False)
    """imageUrl: the signing secret."""
    key_version: int | None = None
    """imageUrl: the version of the secret."""

    def signer(self, host: str | None = None) -> Signer:
        """A signer with this secret alone; after an overlapping regeneration, older versions need another.

        Args:
            host: see :class:`countermark.Signer`.

        Raises:
            InvalidArgument: the token is no imageUrl token, or its secret or the host is not one.
        """
        from countermark._native import Signer

        if self.secret is None or self.key_version is None:
            raise InvalidArgument("only imageUrl tokens sign: this one has no signing secret")
        return Signer(self.token.id, {self.key_version: self.secret}, host=host)

    @classmethod
    def from_json(cls, found: object, where: str = "") -> Issued:
        """Reads the service's answer to issue and regenerate."""
        members = Members(found, where)
        extra = members.read_or_none("extra", Members)
        return cls(
            TokenRecord.from_json(found, where),
            value=members.text_or_none("value"),
            secret=extra.text_or_none("secret") if extra else None,
            key_version=members.number_or_none("keyVersion"),
        )


@dataclass(frozen=True)
class RevealedValue:
    """The value or signing secret of a recoverable token. ``repr`` does not show it."""

    value: str | None = field(default=None, repr=False)
    """upload, apiKey: the value."""
    secret: str | None = field(default=None, repr=False)
    """imageUrl: the newest signing secret."""
    key_version: int | None = None
    """imageUrl: the version of the secret."""

    @classmethod
    def from_json(cls, found: object, where: str = "") -> RevealedValue:
        """Reads the service's JSON."""
        members = Members(found, where)
        return cls(
            members.text_or_none("value"),
            members.text_or_none("secret"),
            members.number_or_none("keyVersion"),
        )
