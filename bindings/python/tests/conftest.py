"""What all tests share: running services, clients of both kinds. Nothing starts for tests that name none."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from both_clients import KINDS, MakeClient, Maker
from countermark import Client
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


@pytest.fixture(scope="session")
def portal() -> Iterator[BlockingPortal]:
    """An event loop in a thread of its own."""
    with start_blocking_portal("asyncio") as portal:
        yield portal


@pytest.fixture(params=KINDS)
def make_client(request: pytest.FixtureRequest, portal: BlockingPortal) -> Iterator[MakeClient]:
    """Makes clients of either kind; the test runs once for each."""
    maker = Maker(request.param, portal)
    yield maker
    for client in maker.made:
        client.close()


@pytest.fixture
def client(service: Service, make_client: MakeClient) -> Client:
    """The administrator's client of the shared service, of either kind."""
    return make_client(service.url, service.key)
