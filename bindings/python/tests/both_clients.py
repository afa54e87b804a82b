"""One way to test both clients: AsyncClient, driven from outside its event loop, looks like Client."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import Any, Protocol, cast

from anyio.from_thread import BlockingPortal
from countermark import AsyncClient, Client, RetryPolicy

KINDS = ("Client", "AsyncClient")


class MakeClient(Protocol):
    """Makes a client of the kind under test."""

    kind: str

    def __call__(self, base_url: str | None = None, key: str | None = None, **options: Any) -> Client: ...


class Blocking:
    """An asynchronous object whose methods block."""

    def __init__(self, portal: BlockingPortal, inner: Any) -> None:
        self.portal = portal
        self.inner = inner

    def __repr__(self) -> str:
        return repr(self.inner)

    def __getattr__(self, name: str) -> Any:
        member = getattr(self.inner, "aclose" if name == "close" else name)
        return self.blocking(member) if callable(member) else member

    def blocking(self, member: Callable[..., Any]) -> Callable[..., Any]:
        async def run(*arguments: Any, **named: Any) -> Any:
            made = member(*arguments, **named)
            return await made if inspect.isawaitable(made) else made

        def called(*arguments: Any, **named: Any) -> Any:
            made = self.portal.call(lambda: run(*arguments, **named))
            if hasattr(made, "__anext__"):
                return self.iterated(made)
            return self.entered(made) if hasattr(made, "__aenter__") else made

        return called

    def iterated(self, made: Any) -> Iterator[Any]:
        while True:
            try:
                yield self.portal.call(made.__anext__)
            except StopAsyncIteration:
                return

    @contextmanager
    def entered(self, made: Any) -> Generator[Any]:
        with self.portal.wrap_async_context_manager(made) as inner:
            yield Blocking(self.portal, inner)


class Maker:
    """Makes clients of one kind, and closes them."""

    def __init__(self, kind: str, portal: BlockingPortal) -> None:
        self.kind = kind
        self.portal = portal
        self.made: list[Client] = []

    def __call__(self, base_url: str | None = None, key: str | None = None, **options: Any) -> Client:
        if self.kind == "Client":
            client = Client(base_url, key, **options)
        else:
            client = cast(Client, Blocking(self.portal, AsyncClient(base_url, key, **options)))
        self.made.append(client)
        return client


def counted(times: int, pauses: list[float], random: float = 0.0, question_keys: bool = True) -> RetryPolicy:
    """A policy that writes its pauses down instead of waiting."""

    async def sleep_async(seconds: float) -> None:
        pauses.append(seconds)

    return RetryPolicy(
        times,
        question_keys=question_keys,
        random=lambda: random,
        sleep=pauses.append,
        sleep_async=sleep_async,
    )
