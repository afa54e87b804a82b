"""What all tests share: running services. Nothing is started for tests that do not name one."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from running_service import Service, StartService, services


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """One service for all tests that leave it as it is: each issues tokens of its own."""
    with services(tmp_path_factory.mktemp("service")) as start:
        yield start()


@pytest.fixture
def start_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StartService]:
    """Starts services for one test alone, to be configured, brought down, or looked into."""
    with services(tmp_path_factory.mktemp("services")) as start:
        yield start
