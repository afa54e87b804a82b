"""What must still happen when the surrounding task has been cancelled."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import anyio

__all__ = ["finished"]

UNDER_WAY: set[asyncio.Task[None]] = set()
"""Event loops hold their tasks weakly."""


async def finished(work: Callable[[], Awaitable[None]]) -> None:
    """Returns when the work is done: a cancellation waits for it, be it a scope's or the task's own."""
    with anyio.CancelScope(shield=True):
        if is_asyncio():
            await in_own_task(work)
        else:
            await work()


def is_asyncio() -> bool:
    """Whether asyncio runs this task. There, a shielded scope holds off scopes only, not `Task.cancel`."""
    try:
        return asyncio.current_task() is not None
    except RuntimeError:
        return False


async def in_own_task(work: Callable[[], Awaitable[None]]) -> None:
    """Runs the work in a task that nobody else knows; waits for it however often this one is cancelled."""

    async def run() -> None:
        await work()

    task = asyncio.create_task(run())
    UNDER_WAY.add(task)
    task.add_done_callback(UNDER_WAY.discard)
    cancelled: asyncio.CancelledError | None = None
    while not task.done():
        try:
            await asyncio.shield(task)
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        raise cancelled
