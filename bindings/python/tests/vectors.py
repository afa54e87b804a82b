"""The published vectors that Rust's tests read, too."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

VECTORS = Path(__file__).parents[3] / "tests" / "vectors"


def read_vectors(name: str, count: int) -> list[dict[str, Any]]:
    """All vectors of one file, of which none got lost."""
    vectors: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text())
    assert len(vectors) == count
    return vectors
