"""The core of Countermark: what needs no network."""

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import Literal, final, overload

from countermark.errors import Refused

__version__: str

Placement = Literal["path", "query"]

@final
class Signer:
    """Signs and verifies links of one imageUrl token; the highest secret version signs, all verify.

    `host` is for whoever handles requests instead of full URLs: `sign` and `verify` then also take a bare target such
    as `/shop/cat.jpg?w=200`, and `verify` refuses links to other hosts.
    """

    def __new__(
        cls,
        token_id: str,
        secrets: str | Mapping[int, str],
        *,
        host: str | None = None,
        placement: Placement = "path",
    ) -> Signer: ...
    @property
    def token_id(self) -> str: ...
    @property
    def key_version(self) -> int: ...
    @property
    def key_versions(self) -> tuple[int, ...]: ...
    @property
    def host(self) -> str | None: ...
    @property
    def placement(self) -> Placement: ...
    def sign(
        self,
        url: str,
        *,
        expires_in: int | timedelta | None = None,
        expires: int | datetime | None = None,
        bucket: int | timedelta | None = None,
        placement: Placement | None = None,
        now: int | datetime | None = None,
    ) -> str: ...
    def sign_many(
        self,
        urls: Iterable[str],
        *,
        expires_in: int | timedelta | None = None,
        expires: int | datetime | None = None,
        bucket: int | timedelta | None = None,
        placement: Placement | None = None,
        now: int | datetime | None = None,
        threads: int = 1,
    ) -> list[str]: ...
    def verify(self, url: str, *, method: str = "GET", now: int | datetime | None = None) -> VerifiedUrl: ...
    def validate(self, url: str, *, method: str = "GET", now: int | datetime | None = None) -> bool: ...
    def verify_many(
        self, urls: Iterable[str], *, method: str = "GET", now: int | datetime | None = None, threads: int = 1
    ) -> Verdicts: ...

@final
class VerifiedUrl:
    """What a signed URL says, after its signature and expiry have been proven. Made by `Signer.verify` only."""

    @property
    def token_id(self) -> str: ...
    @property
    def key_version(self) -> int: ...
    @property
    def placement(self) -> Placement: ...
    @property
    def host(self) -> str: ...
    @property
    def cloud_id(self) -> str | None: ...
    @property
    def path(self) -> str: ...
    @property
    def expires(self) -> int | None: ...

@final
class Verdicts:
    """The outcomes of `Signer.verify_many`, in the order of the URLs: a `collections.abc.Sequence`."""

    @property
    def all_allowed(self) -> bool: ...
    @property
    def refusals(self) -> list[tuple[int, Refused]]: ...
    def __len__(self) -> int: ...
    @overload
    def __getitem__(self, index: int, /) -> VerifiedUrl | Refused: ...
    @overload
    def __getitem__(self, index: slice, /) -> list[VerifiedUrl | Refused]: ...
    def __iter__(self) -> Iterator[VerifiedUrl | Refused]: ...

@final
class TokenValue:
    """A well-formed value of Countermark's own form (`cmu_…`, `cmk_…`, `cms_…`). `repr` shows the preview only."""

    @staticmethod
    def parse(text: str) -> TokenValue: ...
    @property
    def type(self) -> Literal["upload", "apiKey", "secret"]: ...
    @property
    def preview(self) -> str: ...
    def reveal(self) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...

def unverified_token_id(url: str, *, host: str | None = None) -> str:
    """The token that a signed URL claims to be of, to find its `Signer` by; nothing is proven."""
