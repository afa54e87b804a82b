"""Everything that the guide and the READMEs show of the package happens as it is told there."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path

import pages
import pytest
from running_service import Service

PACKAGE = Path(__file__).resolve().parents[1]
REPOSITORY = PACKAGE.parents[1]
GUIDE = REPOSITORY / "docs" / "guide" / "src"
READMES = [REPOSITORY / "README.md", PACKAGE / "README.md"]
PAGES = [GUIDE / "python.md", *sorted((GUIDE / "python").glob("*.md"))]
# It is generated, and its examples are beginnings only.
REFERENCE = GUIDE / "python" / "reference.md"

REFERENCED = [
    "countermark",
    "countermark.django",
    "countermark.errors",
    "countermark.fastapi",
    "countermark.flask",
    "countermark.records",
]


@pytest.mark.parametrize(
    "page",
    [page for page in READMES + PAGES if page != REFERENCE],
    ids=lambda page: f"{page.parent.name}-{page.stem}",
)
def test_the_code_of_a_page_runs_as_shown(page: Path, service: Service, tmp_path: Path) -> None:
    environment = {
        "COUNTERMARK_URL": service.url,
        "COUNTERMARK_KEY": service.key,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(tmp_path),
    }
    ran = subprocess.run(
        [sys.executable, "-W", "error", pages.__file__, str(page)],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr


def test_every_page_shows_code_and_is_in_the_table_of_contents() -> None:
    contents = (GUIDE / "SUMMARY.md").read_text()
    for page in PAGES:
        assert f"({page.relative_to(GUIDE)})" in contents
        assert page == REFERENCE or list(pages.blocks(page.read_text())), page


def test_the_reference_is_what_the_docstrings_say() -> None:
    check = [sys.executable, str(PACKAGE / "generate-reference"), "--check"]
    ran = subprocess.run(check, capture_output=True, text=True, check=False, timeout=120)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("module", REFERENCED)
def test_every_public_name_has_its_place_in_the_reference(module: str) -> None:
    public: list[str] = importlib.import_module(module).__all__
    headings = REFERENCE.read_text().splitlines()
    assert [name for name in public if name != "__version__" and f"### {name}" not in headings] == []


def test_what_a_page_shows_is_compared_with_what_is_printed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\nprint('iu_123', 4)  # iu_… 4\n```\n```console\n$ echo one\none\n```\n")
    pages.run(page)
    for wrong in ("```python\nprint(1)  # 2\n```\n", "```console\n$ echo one; echo two\none\n```\n"):
        page.write_text(wrong)
        with pytest.raises(AssertionError, match="printed"):
            pages.run(page)
