"""The core of Countermark: what needs no network."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol, TypeAlias, final, overload

from countermark.decision import Decision, Request
from countermark.errors import Refused
from countermark.records import Explanation

__all__ = [
    "Signer",
    "Token",
    "TokenValue",
    "Verdicts",
    "VerifiedUrl",
    "__version__",
    "direct_upload",
    "failed_constraints",
    "looks_signed",
    "read_upload_extra",
    "unverified_token_id",
]

__version__: str

_Placement: TypeAlias = Literal["path", "query"]
_Instant: TypeAlias = int | datetime
_Span: TypeAlias = int | timedelta

class _HasJson(Protocol):
    def to_json(self) -> Mapping[str, Any]: ...

@final
class Signer:
    """Signs and verifies links of one imageUrl token, without network and without counting.

    The highest secret version signs, all verify. `host` is for whoever handles requests instead of full URLs:
    `sign` and `verify` then also take a bare target such as `/shop/cat.jpg?w=200`, and links to other hosts
    are neither signed nor allowed.
    """

    def __new__(
        cls,
        token_id: str,
        secrets: str | Mapping[int, str],
        *,
        host: str | None = None,
        placement: _Placement = "path",
    ) -> Signer: ...
    @property
    def token_id(self) -> str:
        """The token whose links these are, `iu_…`."""
    @property
    def key_version(self) -> int:
        """The version that signs, the highest; 1 to 65535."""
    @property
    def key_versions(self) -> tuple[int, ...]:
        """All versions that verify, lowest first."""
    @property
    def host(self) -> str | None:
        """The host that bare targets are for, in lower case and without port."""
    @property
    def placement(self) -> _Placement:
        """Where signatures are put: `path` or `query`."""
    def sign(
        self,
        url: str,
        *,
        expires_in: _Span | None = None,
        expires: _Instant | None = None,
        bucket: _Span | None = None,
        placement: _Placement | None = None,
        now: _Instant | None = None,
    ) -> str:
        """The URL with a signature; it expires after seconds, at an instant (Unix seconds), or never."""
    def sign_many(
        self,
        urls: Iterable[str],
        *,
        expires_in: _Span | None = None,
        expires: _Instant | None = None,
        bucket: _Span | None = None,
        placement: _Placement | None = None,
        now: _Instant | None = None,
        threads: int = 1,
    ) -> list[str]:
        """Signs many URLs alike, without holding the interpreter; `threads=0` is one for each core."""
    def verify(self, url: str, *, method: str = "GET", now: _Instant | None = None) -> VerifiedUrl:
        """What a signed URL says, once signature, expiry, method and host are proven; else `Refused`."""
    def validate(self, url: str, *, method: str = "GET", now: _Instant | None = None) -> bool:
        """Whether `verify` would accept the URL."""
    def verify_many(
        self, urls: Iterable[str], *, method: str = "GET", now: _Instant | None = None, threads: int = 1
    ) -> Verdicts:
        """The outcome of each URL, decided at one instant without the interpreter; raises no refusal."""
    def __getnewargs_ex__(self) -> tuple[tuple[str, dict[int, str]], dict[str, str | None]]: ...

@final
class VerifiedUrl:
    """What a signed URL says, after it has been proven. Made by `Signer.verify` only."""

    @property
    def url(self) -> str:
        """The URL or bare target as it was verified, signature included: a credential, not for logs."""
    @property
    def token_id(self) -> str:
        """The token whose secret signed, `iu_…`."""
    @property
    def key_version(self) -> int:
        """The version of the secret that signed; 1 to 65535."""
    @property
    def placement(self) -> _Placement:
        """Where the signature stands: `path` or `query`."""
    @property
    def host(self) -> str:
        """The host that was signed, in lower case and without port."""
    @property
    def cloud_id(self) -> str | None:
        """The cloud: the first segment of the path, if it is a cloud id."""
    @property
    def path(self) -> str:
        """The undecoded path without query and signature: `/{cloudId}/{rest}`."""
    @property
    def query(self) -> str:
        """The undecoded query without the signature's parameters and `?`; empty if there is none."""
    @property
    def expires(self) -> int | None:
        """The Unix second from which on the link is expired; none for never."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

@final
class Verdicts(Sequence[VerifiedUrl | Refused]):
    """The outcomes of `Signer.verify_many`, in the order of the URLs; each is made anew when asked for."""

    @property
    def all_allowed(self) -> bool:
        """Whether no URL is refused; also of an empty batch."""
    @property
    def refusals(self) -> list[tuple[int, Refused]]:
        """Index and refusal of each URL that is refused."""
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> VerifiedUrl | Refused: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[VerifiedUrl | Refused]: ...
    def __iter__(self) -> Iterator[VerifiedUrl | Refused]: ...
    def index(self, value: Any, start: int = 0, stop: int | None = None, /) -> int: ...
    def count(self, value: Any, /) -> int: ...

@final
class Token:
    """Decides about uses of one token without network, by its record as it was read."""

    def __new__(
        cls,
        record: Mapping[str, Any] | _HasJson,
        *,
        secrets: str | Mapping[int, str] | None = None,
        value: str | None = None,
    ) -> Token: ...
    @property
    def id(self) -> str: ...
    @property
    def type(self) -> Literal["imageUrl", "upload", "apiKey"]: ...
    @property
    def owner(self) -> str | None: ...
    @property
    def limit(self) -> int | None: ...
    @property
    def expiry(self) -> int | None: ...
    def decide(
        self,
        *,
        url: str | None = None,
        value: str | None = None,
        request: Request | None = None,
        cost: int = 1,
        viewer_proven: bool = False,
        now: _Instant | None = None,
    ) -> Decision: ...
    def explain(
        self,
        *,
        url: str | None = None,
        value: str | None = None,
        request: Request | None = None,
        cost: int = 1,
        viewer_proven: bool = False,
        now: _Instant | None = None,
    ) -> Explanation: ...
    def __getnewargs_ex__(self) -> tuple[tuple[dict[str, object]], dict[str, object]]: ...

@final
class TokenValue:
    """A well-formed value of Countermark's own form: `cmu_…`, `cmk_…` or `cms_…`."""

    @classmethod
    def parse(cls, text: str) -> TokenValue:
        """Reads a value and proves its checksum; raises `InvalidArgument`."""
    @property
    def type(self) -> Literal["upload", "apiKey", "secret"]:
        """What the value is of; a signing secret is never a credential."""
    @property
    def preview(self) -> str:
        """The first 15 characters, by which people recognise the value in lists; no credential."""
    def reveal(self) -> str:
        """The value itself: a credential."""
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def unverified_token_id(url: str, *, host: str | None = None) -> str:
    """The token that a signed URL claims to be of, to find its `Signer` by; nothing is proven."""

def looks_signed(target: str) -> bool:
    """Whether a signature, good or bad, stands in an undecoded request target."""

def read_upload_extra(extra: Mapping[str, Any]) -> dict[str, object]:
    """A copy of an upload token's ``extra`` in which every member is known and of its type."""

def direct_upload(extra: Mapping[str, Any], asked: Mapping[str, object]) -> dict[str, Any]:
    """The parameters that an upload really gets, by the names of ``UploadParameters``."""

def failed_constraints(
    extra: Mapping[str, Any],
    *,
    bytes: int | None,
    content_type: str | None,
    public_id: str | None,
    existed: bool | None,
    completes: bool,
) -> list[str]:
    """The constraints that an upload does not meet, by their names in JSON."""
