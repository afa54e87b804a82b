"""What must still happen when the surrounding task has been cancelled: nothing cancels a thread."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

__all__ = ["shielded"]


def shielded() -> AbstractContextManager[object]:
    """An ordinary block."""
    return nullcontext()
