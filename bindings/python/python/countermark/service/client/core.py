"""The one place where a call meets the HTTP library."""

# Generated from async_client/ by bindings/python/generate-client: change it there.

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, NoReturn, TypeVar

import httpx2

from countermark.errors import ConnectionFailed, CountermarkError, InvalidArgument, TimedOut, UnexpectedAnswer
from countermark.records.page import Page
from countermark.service.address import address
from countermark.service.arguments import fresh_idempotency_key
from countermark.service.call import Answer, Call
from countermark.service.retry import Attempts, RetryPolicy, retry_policy

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Core"]

T = TypeVar("T")


class Core:
    """Sends calls with the key, and makes them again where that is safe."""

    def __init__(
        self,
        base_url: str | None = None,
        key: str | None = None,
        *,
        timeout: float = 10.0,
        retries: int | RetryPolicy = 2,
        http: httpx2.Client | None = None,
    ) -> None:
        self._address = address(base_url, key)
        self._timeout = positive(timeout)
        self._retries = retry_policy(retries)
        self._is_owner = http is None
        self._http = own_http() if http is None else injected(http)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._address.base_url!r})"

    def __reduce__(self) -> NoReturn:
        raise TypeError("a client holds a key and connections, and is not pickled: make one where it is used")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections; those of an injected ``http`` stay open."""
        if self._is_owner:
            self._http.close()

    def _send(self, call: Call[T]) -> T:
        attempts = Attempts(call, self._retries)
        while True:
            try:
                return attempts.read(self._exchange(call))
            except CountermarkError as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise
            self._retries.sleep(pause)

    def _each(
        self, page: Callable[..., Call[Page[T]]], filters: Mapping[str, str | int | None]
    ) -> Iterator[T]:
        """What is on all pages, each fetched when the one before is used up."""
        cursor = None
        while True:
            found = self._send(page(**filters, cursor=cursor))
            yield from found.items
            cursor = found.next_cursor
            if cursor is None:
                return

    def _exchange(self, call: Call[T]) -> Answer:
        """One request and its answer. Redirects are not followed: the key is for this service alone."""
        if self._http.is_closed:
            raise InvalidArgument("the client is closed: make another, or keep it open while it is used")
        try:
            answer = self._http.request(
                call.method,
                self._address.base_url + call.path,
                params=list(call.query) or None,
                content=call.body,
                headers={
                    "authorization": f"Bearer {self._address.key}",
                    "accept": "application/json",
                    **call.headers,
                },
                auth=None,
                follow_redirects=False,
                timeout=self._timeout,
            )
        except httpx2.InvalidURL:
            raise InvalidArgument(
                "expected filters that, with the address, make a URL: are they too long?"
            ) from None
        except httpx2.TimeoutException as error:
            raise unanswered(TimedOut(), error, httpx2.ConnectTimeout, httpx2.PoolTimeout) from error
        except httpx2.DecodingError as error:
            raise UnexpectedAnswer() from error
        except httpx2.RequestError as error:
            raise unanswered(ConnectionFailed(), error, httpx2.ConnectError, httpx2.ProxyError) from error
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Answer(answer.status_code, headers, answer.content)

    def _fresh_key(self) -> str | None:
        """An idempotency key, if calls are ever repeated."""
        return fresh_idempotency_key() if self._retries.times > 0 else None

    def _question_key(self) -> str | None:
        """The same for a question about a use."""
        return self._fresh_key() if self._retries.question_keys else None


LONGEST_TIMEOUT = 86_400.0
"""Seconds, a day. Event loops and sockets overflow not far beyond."""


def positive(timeout: float) -> float:
    """A timeout within which something can happen, and which ends.

    Raises:
        InvalidArgument: not more than 0, or longer than a day.
    """
    if not 0 < timeout <= LONGEST_TIMEOUT:
        raise InvalidArgument("timeout: expected more than 0 seconds, and at most a day (86400)")
    return timeout


def own_http() -> httpx2.Client:
    """Connections straight to the service. A proxy that the environment names would be sent the key.

    Of the environment, ``SSL_CERT_FILE`` and ``SSL_CERT_DIR`` hold: they send the key nowhere.
    """
    return httpx2.Client(trust_env=False, verify=httpx2.create_ssl_context())


def injected(http: httpx2.Client) -> httpx2.Client:
    """A client of the HTTP library that this kind of client can send with.

    Raises:
        InvalidArgument: it is another object, as the library's client of the other kind.
    """
    if not isinstance(http, httpx2.Client):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidArgument(f"http: expected a httpx2.{httpx2.Client.__name__}, not {type(http).__name__}")
    return http


Lost = TypeVar("Lost", ConnectionFailed, TimedOut)


def unanswered(raised: Lost, error: Exception, *unsent: type[Exception]) -> Lost:
    """The exception, which says whether the request may have arrived."""
    if isinstance(error, unsent):
        raised.may_have_arrived = False
    return raised
