"""Runs the code of a page as it stands there: `python pages.py PAGE`, in a folder that may be written to.

All `python` blocks of a page are one program. Where a line prints and ends with a comment, the comment is
what is printed; `…` stands for anything. So it is with what a `console` block shows below its commands, which
start with `$`. What a page need not show, but its code needs, is in a comment that begins with `<!-- python`.
"""

from __future__ import annotations

import contextlib
import io
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

BLOCK = re.compile(r"^(?:```(python|console)\n(.*?)^```|<!-- python\n(.*?)^-->)", re.MULTILINE | re.DOTALL)
PART = re.compile(r"<!-- python:begin -->\n(.*?)<!-- python:end -->", re.DOTALL)
SHOWN = re.compile(r"^ *(?:await )?print\(.*\)  # (.+)$", re.MULTILINE)
COMMAND = re.compile(r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", re.MULTILINE)


@dataclass
class Block:
    """Code of a page."""

    language: str
    code: str
    line: int
    """Of the page, at which the code begins."""


def blocks(page: str) -> Iterator[Block]:
    """The code of a page, in its order; where a part is marked as ours, of that part."""
    part = PART.search(page)
    start, end = part.span(1) if part else (0, len(page))
    for found in BLOCK.finditer(page, start, end):
        number = 2 if found[1] else 3
        line = page.count("\n", 0, found.start(number)) + 1
        yield Block(found[1] or "python", found[number], line)


def run(path: Path) -> None:
    """Runs all code of a page; raises AssertionError where something else happens than is shown."""
    names: dict[str, object] = {"__name__": "__main__"}
    for block in blocks(path.read_text()):
        if block.language == "python":
            run_python(block, path, names)
        else:
            run_console(block, path)


def run_python(block: Block, path: Path, names: dict[str, object]) -> None:
    """Runs Python code; tracebacks show the page's own lines."""
    code = compile("\n" * (block.line - 1) + block.code, str(path), "exec", dont_inherit=True)
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(code, names)
    shown = [comment[1] for comment in SHOWN.finditer(block.code)]
    if shown:
        compare(shown, printed.getvalue().splitlines(), f"{path}:{block.line}")


def run_console(block: Block, path: Path) -> None:
    """Runs commands, except those that install; what they show is compared."""
    for command in COMMAND.finditer(block.code):
        if command[1].startswith("pip install"):
            continue
        ran = subprocess.run(
            ["bash", "-c", command[1]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        compare(command[2].splitlines(), ran.stdout.splitlines(), f"{path}:{block.line}: {command[1]}")


def compare(shown: list[str], printed: list[str], place: str) -> None:
    """Demands that what is shown is what was printed."""
    assert len(shown) == len(printed) and all(map(fits, shown, printed)), (
        f"{place}\nshown:\n" + "\n".join(shown) + "\nprinted:\n" + "\n".join(printed)
    )


def fits(shown: str, printed: str) -> bool:
    """Whether a line is as shown."""
    return re.fullmatch(".*".join(map(re.escape, shown.split("…"))), printed) is not None


if __name__ == "__main__":
    run(Path(sys.argv[1]))
