"""What the package is as a whole: its version, its names, and how little it loads."""

from __future__ import annotations

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import countermark

REPOSITORY = Path(__file__).resolve().parents[3]
# Each takes longer to import than all of countermark, and most programs that sign links need none of them.
HEAVY = {
    "asyncio",
    "dataclasses",
    "typing",
    "celery",
    "django",
    "fastapi",
    "flask",
    "httpx2",
    "pydantic",
    "ssl",
    "starlette",
    "werkzeug",
}


def test_the_version_is_the_one_that_cargo_toml_says() -> None:
    cargo = (REPOSITORY / "Cargo.toml").read_text()
    version = re.search(r'^\[workspace\.package\]\nversion = "(.+)"$', cargo, re.MULTILINE)
    assert version is not None
    assert (countermark.__version__, importlib.metadata.version("countermark")) == (version[1], version[1])


def test_importing_countermark_loads_neither_the_http_library_nor_a_framework() -> None:
    assert loaded_by("import countermark") & HEAVY == set()


def test_signing_and_verifying_load_neither_the_http_library_nor_a_framework() -> None:
    program = (
        "import countermark as c; s = c.Signer('iu_034YReQTIGubVCzWuStHEC', 'x' * 32); "
        "s.verify(s.sign('https://img.example.com/shop/i/cat.jpg', expires_in=60))"
    )
    assert loaded_by(program) & HEAVY == set()


def test_every_public_name_is_there_and_is_named_by_dir() -> None:
    assert set(countermark.__all__) <= set(dir(countermark))
    assert [name for name in countermark.__all__ if getattr(countermark, name, None) is None] == []


def loaded_by(program: str) -> set[str]:
    """The modules that a fresh interpreter loads for a program, beside those of its own start."""
    shows = f"import sys; before = set(sys.modules); {program}; print(*(set(sys.modules) - before))"
    done = subprocess.run(
        [sys.executable, "-c", shows], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stdout.split())
