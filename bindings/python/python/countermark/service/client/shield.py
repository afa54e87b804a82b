"""What must still happen when the surrounding block has been interrupted: nothing cancels a thread."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["finished"]


def finished(work: Callable[[], None]) -> None:
    """Returns when the work is done."""
    work()
