"""A real Chromium for the tests; a picture of the page is kept when a test fails."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from conftest import REPOSITORY

ARGUMENTS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """One browser for all tests; Playwright's own download is not needed."""
    program = shutil.which("chromium")
    assert program, "chromium is missing: apt-get install chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, headless=True, args=ARGUMENTS)
        yield browser
        browser.close()


class Tab:
    """A page and what its console says."""

    def __init__(self, page: Page, folder: Path) -> None:
        self.page = page
        # For files that are to be chosen.
        self.folder = folder
        self.errors: list[str] = []
        page.set_default_timeout(15_000)
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def slow_down(self, bytes_per_second: int) -> None:
        """From now on the page sends no faster than this."""
        session = self.page.context.new_cdp_session(self.page)
        session.send("Network.enable")
        session.send(
            "Network.emulateNetworkConditions",
            {"offline": False, "latency": 0, "downloadThroughput": -1, "uploadThroughput": bytes_per_second},
        )


@pytest.fixture
def tab(chromium: Browser, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tab]:
    """A fresh tab without cookies or storage."""
    context = chromium.new_context()
    page = context.new_page()
    yield Tab(page, tmp_path)
    if getattr(request.node, "failed", False):
        folder = Path(os.environ.get("CARGO_TARGET_DIR", REPOSITORY / "target")) / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / (re.sub(r"\W+", "_", request.node.name) + ".png")
        page.screenshot(path=path, full_page=True)
        print(f"screenshot: {path}")
    context.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """Lets the fixture above know how its test went."""
    report = yield
    if report.failed:
        item.failed = True  # type: ignore[attr-defined]
    return report
