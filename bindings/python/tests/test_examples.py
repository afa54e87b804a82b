"""The published examples, started as their first lines say, against a real service."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from countermark import Client, Issued, Signer
from issued import link, signer_of
from running_service import Service, free_port
from web_servers import EXAMPLES, Server, bearer, process_server


@pytest.fixture(scope="module")
def client(service: Service) -> Iterator[Client]:
    with Client(service.url, service.key) as opened:
        yield opened


@pytest.fixture(scope="module")
def environment(service: Service, client: Client) -> dict[str, str]:
    """The examples ask with a key that may do nothing else."""
    value = client.issue("apiKey", permissions=["authorize"]).value
    assert value is not None
    return {"COUNTERMARK_URL": service.url, "COUNTERMARK_KEY": value}


def reader(client: Client) -> dict[str, str]:
    return bearer(client.issue("apiKey", permissions=["photos:read"], owner="ann").value)


def test_fastapi(client: Client, environment: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    command = ["uvicorn", "--app-dir", str(EXAMPLES / "fastapi"), "--port", str(port), "app:app"]
    with process_server(command, port, tmp_path / "log", environment) as server:
        names_are_for_readers(server, client, "/photos")
        upload = client.issue("upload", limit=1)
        headers = {**bearer(upload.value), "Content-Type": "image/jpeg"}
        assert server.call("/photos/two%20cats.jpg", "POST", headers, b"two").json() == {
            "bytes": 3,
            "remaining": 0,
        }
        assert server.call("/photos/dog.jpg", "POST", headers, b"dog").code == "LIMIT_REACHED"
        assert server.call("/photos", headers=reader(client)).json()["photos"] == ["cat.jpg", "two cats.jpg"]
        a_link_is_counted(server, client, "/photos/two%20cats.jpg", b"two")
        assert "countermarkBearer" in server.call("/openapi.json").json()["components"]["securitySchemes"]
        assert server.call("/docs").status == 200


def test_flask(client: Client, environment: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    command = ["flask", "--app", str(EXAMPLES / "flask" / "app.py"), "run", "--port", str(port)]
    with process_server(command, port, tmp_path / "log", environment) as server:
        names_are_for_readers(server, client, "/photos")
        a_link_is_counted(server, client, "/photos/cat.jpg", b"a cat")


def names_are_for_readers(server: Server, client: Client, path: str) -> None:
    answer = server.call(path, headers=reader(client))
    assert (answer.status, answer.json()["owner"]) == (200, "ann")
    assert server.call(path).code == "NO_CREDENTIAL"


def a_link_is_counted(server: Server, client: Client, path: str, content: bytes) -> None:
    limited, free = client.issue("imageUrl", limit=1), client.issue("imageUrl")
    answer = server.call(link(limited, path))
    assert (answer.status, answer.body, answer.headers["cache-control"]) == (
        200,
        content,
        "private, no-store",
    )
    assert server.call(link(limited, path)).code == "LIMIT_REACHED"
    assert server.call(link(free, path)).headers["cache-control"] == "max-age=60"
    assert server.call(path).code == "NO_CREDENTIAL"


MANAGE = str(EXAMPLES / "django" / "manage.py")


@pytest.fixture(scope="module")
def gallery(client: Client, environment: dict[str, str]) -> tuple[Issued, dict[str, str]]:
    issued = client.issue("imageUrl")
    assert issued.secret is not None
    return issued, {**environment, "GALLERY_TOKEN": issued.token.id, "GALLERY_SECRET": issued.secret}


def manage(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, MANAGE, *arguments], env=environment, capture_output=True, text=True, check=False
    )


def test_django(client: Client, gallery: tuple[Issued, dict[str, str]], tmp_path: Path) -> None:
    port = free_port()
    command = [MANAGE, "runserver", "--noreload", f"127.0.0.1:{port}"]
    with process_server(command, port, tmp_path / "log", gallery[1]) as server:
        page = server.call("/").body.decode()
        links = re.findall(r'href="(/shop/s-cm1:[^"]+)">([^<]+)<', page)
        assert [name for _, name in links] == ["cat.txt", "two cats.txt"]
        assert server.call(links[0][0]).body == b"a cat\n"
        assert server.call(links[1][0]).body == b"two cats\n"
        assert server.call("/shop/cat.txt").code == "NO_CREDENTIAL"
        assert server.call(links[0][0].replace("cat.txt", "two%20cats.txt")).code == "BAD_SIGNATURE"
        assert server.call("/api/photos/", headers=reader(client)).json()["photos"] == [
            "cat.txt",
            "two cats.txt",
        ]
        assert server.call("/api/photos/").code == "NO_CREDENTIAL"
        signed_by(signer_of(gallery[0]), links)


def signed_by(signer: Signer, links: Any) -> None:
    for target, _ in links:
        assert signer.verify(f"http://127.0.0.1{target}").expires is not None


def test_manage_check_finds_nothing_in_the_example(gallery: tuple[Issued, dict[str, str]]) -> None:
    checked = manage("check", "--fail-level", "WARNING", **gallery[1])
    assert (checked.returncode, checked.stdout) == (0, "System check identified no issues (0 silenced).\n"), (
        checked
    )


def test_manage_check_says_what_is_missing(gallery: tuple[Issued, dict[str, str]]) -> None:
    checked = manage("check")
    assert checked.returncode == 1
    for number in ("E001", "E006"):
        assert f"countermark.{number}" in checked.stderr
    weak = {**gallery[1], "GALLERY_SECRET": "django-insecure-0123456789abcdefghijk"}
    checked = manage("check", **weak)
    assert "countermark.W002" in checked.stderr
    assert weak["GALLERY_SECRET"] not in checked.stderr
