"""The files in examples/ by which the service is deployed: the compose file's three nodes, run by their own settings on
a real PostgreSQL behind a real Caddy, and the systemd unit. No container is started."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sysconfig
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests
import tomllib
import yaml

from conftest import REPOSITORY, Countermark, binary, free_port, listens, process

EXAMPLES = REPOSITORY / "examples"
COMPOSE_TEXT = (EXAMPLES / "compose.yaml").read_text()
COMPOSE = yaml.safe_load(COMPOSE_TEXT)
NODES = {name: service for name, service in COMPOSE["services"].items() if service["image"] == "countermark"}
BALANCER = (EXAMPLES / "balancer.Caddyfile").read_text()
UNIT = (EXAMPLES / "countermark.service").read_text()
MANUAL = tomllib.loads((REPOSITORY / "crates/server/src/config/config.default.toml").read_text())
CADDY = Path(sysconfig.get_path("scripts")) / "caddy"
HEALTH_SECONDS = 20


def seconds(text: str) -> int:
    """Of a span such as 40s."""
    assert text.endswith("s"), text
    return int(text.removesuffix("s"))


def configuration(folder: Path, *flags: str, **variables: str) -> str:
    """What `countermark doctor` says about the configuration."""
    base = {name: text for name, text in os.environ.items() if not name.startswith("COUNTERMARK__")}
    command = [str(binary()), "doctor", *flags]
    told = subprocess.run(
        command, cwd=folder, env={**base, **variables}, capture_output=True, text=True, timeout=60, check=False
    )
    return next(line for line in told.stdout.splitlines() if " configuration " in line)


def test_every_variable_that_examples_and_documents_name_is_one_of_the_service(tmp_path: Path) -> None:
    places = [EXAMPLES, REPOSITORY / "docs", REPOSITORY / "README.md"]
    files = [file for place in places for file in (place, *place.rglob("*")) if file.is_file()]
    text = "\n".join(file.read_text(errors="replace") for file in files)
    named = sorted(set(re.findall(r"COUNTERMARK__[A-Z_]*[A-Z]", text)) - {"COUNTERMARK__SECTION__KEY"})
    assert len(named) > 10, named
    with ThreadPoolExecutor(4) as pool:
        told = dict(zip(named, pool.map(lambda name: configuration(tmp_path, **{name: ""}), named), strict=True))
    assert {name: line for name, line in told.items() if "unknown" in line} == {}
    assert "unknown variable" in configuration(tmp_path, COUNTERMARK__DATA__DATABASE_ULR=""), "it tells unknown ones"


def test_the_example_configuration_is_accepted(tmp_path: Path) -> None:
    told = configuration(tmp_path, "--config", str(EXAMPLES / "countermark.toml"), "--data", str(tmp_path / "data"))
    assert not told.startswith("fail"), told


def test_the_parts_of_the_compose_file_fit_together() -> None:
    services = COMPOSE["services"]
    for name, service in services.items():
        assert set(service.get("secrets", [])) <= set(COMPOSE["secrets"]), name
        assert set(service.get("depends_on", {})) <= set(services), name
        assert set(service["networks"]) <= set(COMPOSE["networks"]), name
        volumes = [volume.split(":")[0] for volume in service.get("volumes", [])]
        assert all(volume.startswith("./") or volume in COMPOSE["volumes"] for volume in volumes), name
    assert len(NODES) == 3
    assert len({tuple(node["volumes"]) for node in NODES.values()}) == 3, "no two nodes share a folder"
    environments = [node["environment"] for node in NODES.values()]
    assert all(environment == environments[0] for environment in environments), "all nodes have the same settings"
    environment = environments[0]
    address = services["balancer"]["networks"]["inside"]["ipv4_address"]
    assert environment["COUNTERMARK__SERVER__TRUSTED_PROXIES"] == address
    files = [text for key, text in environment.items() if key.endswith("_FILE")]
    assert {Path(file).name for file in files} == set(next(iter(NODES.values()))["secrets"])
    most = int(re.search(r"max_connections=(\d+)", " ".join(services["postgres"]["command"]))[1])  # type: ignore[index]
    of_a_node = int(environment["COUNTERMARK__DATA__CONNECTIONS"]) + 3
    assert len(NODES) * of_a_node <= most - 10, "some are left for people"
    assert re.search(r"reverse_proxy (.+) \{", BALANCER)[1].split() == [f"{name}:8080" for name in NODES]  # type: ignore[index]


def test_what_must_outlast_something_else_does() -> None:
    limits = MANUAL["limits"]
    for node in NODES.values():
        assert seconds(node["stop_grace_period"]) > limits["shutdown_seconds"]
    assert int(re.search(r"^TimeoutStopSec=(\d+)$", UNIT, re.M)[1]) > limits["shutdown_seconds"]  # type: ignore[index]
    assert seconds(re.search(r"keepalive (\d+s)", BALANCER)[1]) < limits["keep_alive_seconds"]  # type: ignore[index]


def test_the_image_is_built_by_the_compiler_that_the_manifest_demands() -> None:
    manifest = tomllib.loads((REPOSITORY / "Cargo.toml").read_text())
    image = (EXAMPLES / "Dockerfile").read_text()
    assert f"FROM rust:{manifest['workspace']['package']['rust-version']}-" in image
    assert "\nUSER 10001:10001\n" in image


@pytest.mark.parametrize("on_postgres", [False, True], ids=["sqlite", "postgresql"])
def test_systemd_understands_the_unit_and_finds_little_to_take_away(tmp_path: Path, on_postgres: bool) -> None:
    text = UNIT.replace("/usr/local/bin/countermark", str(binary()))
    if on_postgres:
        text, count = re.subn(r"^# ((?:LoadCredential|Environment)=)", r"\1", text, flags=re.M)
        assert count == 4
        loaded = set(re.findall(r"^LoadCredential=([^:\n]+):", text, re.M))
        assert loaded == set(re.findall(r"^Environment=COUNTERMARK__[A-Z_]+=%d/(.+)$", text, re.M))
    unit = tmp_path / "countermark.service"
    unit.write_text(text)
    for task in (["verify", "--man=no"], ["security", "--offline=true", "--threshold=15"]):
        done = subprocess.run(
            ["systemd-analyze", *task, str(unit)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert "countermark.service:" not in done.stderr, done.stderr


@pytest.fixture
def postgres() -> Iterator[str]:
    """The URL of a database that ends with the test."""
    programs = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda found: int(found.parent.name))
    # The server refuses to run as root.
    user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    with tempfile.TemporaryDirectory(prefix="countermark-postgres-", dir="/tmp") as name:
        folder = Path(name)
        if user:
            subprocess.run(["chown", "postgres:", folder], check=True)
        options = ["-U", "countermark", "-A", "trust", "-N", "-E", "UTF8"]
        make = [*user, programs / "initdb", "-D", folder / "data", *options]
        subprocess.run(make, cwd=folder, check=True, stdout=subprocess.DEVNULL)
        serve = [programs / "postgres", "-D", folder / "data", "-k", folder, "-c", "listen_addresses="]
        socket = folder / ".s.PGSQL.5432"
        with process([*user, *serve], folder, socket.exists):
            yield f"postgres://countermark@localhost/postgres?host={folder}"


@pytest.fixture
def secrets(tmp_path: Path, postgres: str) -> Path:
    """The folder that the compose file's first lines make, but with the address of the database here."""
    commands = [line.removeprefix("#     ") for line in COMPOSE_TEXT.splitlines() if line.startswith("#     ")]
    until = next(index for index, command in enumerate(commands) if command.startswith("docker"))
    subprocess.run(["sh", "-eu", "-c", "\n".join(commands[:until])], cwd=tmp_path, check=True)
    folder = tmp_path / "secrets"
    told = {Path(secret["file"]).name for secret in COMPOSE["secrets"].values()}
    assert told == {file.name for file in folder.iterdir()}
    password = (folder / "postgres-password").read_text().strip()
    assert (folder / "database-url").read_text() == f"postgres://countermark:{password}@postgres/countermark"
    (folder / "database-url").chmod(0o600)
    (folder / "database-url").write_text(postgres)
    return folder


class Cluster:
    """The compose file's nodes and balancer on this machine."""

    def __init__(self, tmp_path: Path, secrets: Path, running: ExitStack) -> None:
        self.ports = {name: free_port() for name in NODES}
        self.children = {}
        for name, port in self.ports.items():
            folder = tmp_path / name
            folder.mkdir()
            settings = {
                key: text.replace("/run/secrets", str(secrets)) for key, text in NODES[name]["environment"].items()
            }
            here = {
                "COUNTERMARK__SERVER__LISTEN": f"127.0.0.1:{port}",
                "COUNTERMARK__METRICS__LISTEN": f"127.0.0.1:{free_port()}",
                "COUNTERMARK__DATA__DIRECTORY": str(folder),
            }
            self.children[name] = running.enter_context(
                process([binary(), "serve"], folder, lambda port=port: is_ready(port), {**settings, **here})
            )
        self.folders = {name: tmp_path / name for name in NODES}
        self.port = free_port()
        text = BALANCER.replace(":8080 {\n\treverse", f"http://127.0.0.1:{self.port} {{\n\treverse")
        for name, port in self.ports.items():
            text = text.replace(f"{name}:8080", f"127.0.0.1:{port}")
        (tmp_path / "Caddyfile").write_text(text)
        command = [CADDY, "run", "--config", "Caddyfile", "--adapter", "caddyfile"]
        running.enter_context(process(command, tmp_path, lambda: listens(self.port)))


def is_ready(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/readyz", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture
def cluster(tmp_path: Path, secrets: Path) -> Iterator[Cluster]:
    with ExitStack() as running:
        yield Cluster(tmp_path, secrets, running)


def test_three_nodes_grant_a_limit_once_and_the_balancer_passes_over_a_dead_one(cluster: Cluster) -> None:
    service = Countermark(f"http://127.0.0.1:{cluster.port}", cluster.folders["node-1"])
    keys = [(folder / "admin.key").read_text().strip() for folder in cluster.folders.values() if has_key(folder)]
    assert len(keys) == 1, "one node has made the installation"
    assert has_key(cluster.folders["node-1"]), "it is the one that the file names"
    service.session.headers["authorization"] = f"Bearer {keys[0]}"
    token = service.issue(type="upload", limit=50)
    question = {"credential": {"value": token["value"]}, "request": {"method": "POST"}}

    def ask(_: int) -> str:
        answer = requests.post(
            f"{service.url}/v1/authorize", json=question, headers=dict(service.session.headers), timeout=30
        )
        return answer.json()["code"]

    with ThreadPoolExecutor(16) as pool:
        codes = Counter(pool.map(ask, range(120)))
    assert codes == {"ALLOWED": 50, "LIMIT_REACHED": 70}

    check = next(iter(NODES.values()))["healthcheck"]["test"][1:]
    healthy = {name: health(check, port) for name, port in cluster.ports.items()}
    assert healthy == dict.fromkeys(NODES, True)
    cluster.children["node-1"].kill()
    cluster.children["node-1"].wait()
    assert not health(check, cluster.ports["node-1"])
    deadline = time.monotonic() + HEALTH_SECONDS
    in_a_row = 0
    while in_a_row < 30:
        assert time.monotonic() < deadline, "the balancer still asks a dead node"
        in_a_row = in_a_row + 1 if service.call("GET", "/readyz").ok else 0
    assert service.view(token["id"])["used"] == 50


def has_key(folder: Path) -> bool:
    return (folder / "admin.key").exists()


def health(check: list[str], port: int) -> bool:
    """The health check of a container, asked of a port here. Compose makes one $ of two."""
    command = [part.replace("$$", "$").replace("/8080", f"/{port}") for part in check]
    assert shlex.join(command) != shlex.join(check)
    return subprocess.run(command, timeout=30, capture_output=True, check=False).returncode == 0
