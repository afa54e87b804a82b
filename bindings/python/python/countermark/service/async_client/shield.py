"""What must still happen when the surrounding task has been cancelled."""

from __future__ import annotations

from contextlib import AbstractContextManager

import anyio

__all__ = ["shielded"]


def shielded() -> AbstractContextManager[object]:
    """Within this block, a cancellation waits."""
    return anyio.CancelScope(shield=True)
