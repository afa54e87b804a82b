"""The WebDAV servers of examples/webdav behind the gate, keys for them, and the real clients that use them."""

from __future__ import annotations

import itertools
import os
import subprocess
import sysconfig
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from conftest import REPOSITORY, Countermark, countermarks, free_port, listens, process
from proxy_bench import adapted

EXAMPLES = REPOSITORY / "examples" / "webdav"
# The virtual environment has an nginx as well, without Debian's modules.
NGINX = "/usr/sbin/nginx"
DAV_MODULE = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so"
CADDY = Path(sysconfig.get_path("scripts")) / "caddy"
HOST = "127.0.0.1"
CLIENT_SECONDS = 30


@dataclass
class Dav:
    """A running WebDAV server behind the gate."""

    countermark: Countermark
    name: str
    port: int
    # What clients see below /dav.
    files: Path
    # Where the servers write their logs.
    logs: Path
    # The same WebDAV server without the gate.
    inner_port: int

    @property
    def malformed(self) -> int:
        """What clients get for a request that could be read in two ways; nginx knows 403 only."""
        return 403 if self.name == "nginx" else 400

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.port}"

    def write(self, path: str, text: str = "text") -> Path:
        """A file for clients to find, by its path below /dav."""
        file = self.files / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def tree(self) -> dict[str, str | None]:
        """Everything on the disk; folders have no text."""
        found = sorted(self.files.rglob("*"))
        return {str(it.relative_to(self.files)): it.read_text() if it.is_file() else None for it in found}


@contextmanager
def nginx_dav(folder: Path, countermark: Countermark) -> Iterator[Dav]:
    """examples/webdav/nginx.conf, run by Debian's nginx; a second server lacks the question to the gate."""
    port, inner, root = free_port(), free_port(), folder / "files"
    (root / "dav").mkdir(parents=True)
    changes = {"127.0.0.1:8080": f"127.0.0.1:{countermark.port}", "server_name dav.example.com": f"server_name {HOST}"}
    changes |= {"/srv/webdav": str(root), "/var/log/nginx/webdav.log": str(folder / "webdav.log")}
    changes |= {"listen 80": f"listen {HOST}:{port}"}
    site = adapted(EXAMPLES / "nginx.conf", folder, changes)
    ungated = site.read_text().replace("auth_request /_countermark", "auth_request off")
    bare = folder / "ungated.conf"
    bare.write_text("server {" + ungated.split("\nserver {")[1].replace(f"{HOST}:{port}", f"{HOST}:{inner}"))
    main = folder / "main.conf"
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in ("proxy", "fastcgi", "uwsgi", "scgi"))
    main.write_text(
        f"load_module {DAV_MODULE};\ndaemon off; user root; pid {folder}/nginx.pid; error_log stderr info;\n"
        f"events {{ worker_connections 1024; }}\nhttp {{\n{temporary}include {site};\ninclude {bare};\n}}\n"
    )
    with process([NGINX, "-p", folder, "-e", "stderr", "-c", main], folder, lambda: listens(port)):
        yield Dav(countermark, "nginx", port, root / "dav", folder, inner)


@contextmanager
def caddy_dav(folder: Path, countermark: Countermark) -> Iterator[Dav]:
    """examples/webdav/Caddyfile in front of `rclone serve webdav`, as the file's comment starts it."""
    port, inner, root = free_port(), free_port(), folder / "files"
    root.mkdir(parents=True)
    changes = {"127.0.0.1:8080": f"127.0.0.1:{countermark.port}", "127.0.0.1:9000": f"127.0.0.1:{inner}"}
    site = adapted(EXAMPLES / "Caddyfile", folder, {**changes, "http://dav.example.com": f"http://{HOST}:{port}"})
    (shipped,) = [line for line in site.read_text().splitlines() if "rclone serve webdav" in line]
    serve = shipped.strip("# \t").replace("/srv/webdav", str(root)).split()
    main = folder / "main.caddyfile"
    main.write_text(f"{{\n\tadmin off\n\tpersist_config off\n}}\nimport {site}\n")
    own = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
    caddy = [CADDY, "run", "--adapter", "caddyfile", "--config", main]
    with (
        process(serve, folder, lambda: listens(inner), {**os.environ, **own}),
        process(caddy, folder, lambda: listens(port), {**os.environ, **own}),
    ):
        yield Dav(countermark, "caddy", port, root, folder, inner)


@dataclass
class Key:
    """A key for a WebDAV server, whoever made it."""

    value: str
    enable: Callable[[bool], None]


# Permissions, base path, storages.
MakeKey = Callable[..., Key]


def native_key(countermark: Countermark, permissions: Sequence[str], base_path: str, storages: object) -> Key:
    """A key by the native API."""
    token = countermark.issue(type="apiKey", permissions=list(permissions), basePath=base_path, storages=storages)

    def enable(is_enabled: bool) -> None:
        answer = countermark.call("PATCH", f"/v1/access-tokens/{token['id']}", json={"enabled": is_enabled})
        assert answer.status_code == 200, answer.text

    return Key(token["value"], enable)


# The bits of CloudPaste's document.
BITS = {
    "text:share": 1,
    "file:share": 2,
    "text:manage": 4,
    "file:manage": 8,
    "mount:view": 256,
    "mount:upload": 512,
    "mount:copy": 1024,
    "mount:rename": 2048,
    "mount:delete": 4096,
    "webdav:read": 65536,
    "webdav:manage": 131072,
}


def cloudpaste_key(countermark: Countermark, permissions: Sequence[str], base_path: str, storages: object) -> Key:
    """A key as CloudPaste's clients make it; every bit stands for the permission `*`."""
    bits = sum(BITS.values() if "*" in permissions else (BITS[permission] for permission in permissions))
    key = {"name": f"key {next(NUMBERS)}", "permissions": bits, "basic_path": base_path, "is_enable": 1}
    made = countermark.call("POST", "/api/admin/api-keys", json=key | {"expires_at": None})
    assert made.status_code == 201, made.text
    data = made.json()["data"]
    address = f"/api/admin/api-keys/{data['id']}"
    if storages is not None:
        # There an empty list opens all storages: one that nobody asks for stands for none.
        listed = countermark.call("PUT", f"{address}/storage-acl", json={"storage_config_ids": storages or ["none"]})
        assert listed.status_code == 200, listed.text

    def enable(is_enabled: bool) -> None:
        answer = countermark.call("PUT", address, json={"is_enable": is_enabled})
        assert answer.status_code == 200, answer.text

    return Key(data["key"], enable)


NUMBERS = itertools.count(1)

# Every test runs with the keys of every maker.
MAKERS: dict[str, Callable[[Countermark, Sequence[str], str, object], Key]] = {
    "native": native_key,
    "cloudpaste": cloudpaste_key,
}


@contextmanager
def webdav_server(kind: str, rules: str, folder: Path) -> Iterator[Dav]:
    """One of the servers, behind a Countermark with a shipped configuration."""
    config = adapted(EXAMPLES / rules, folder, {"dav.example.com": HOST})
    with (
        countermarks(folder) as start,
        {"nginx": nginx_dav, "caddy": caddy_dav}[kind](folder, start("--config", config)) as dav,
    ):
        yield dav


def run(
    command: Sequence[str | Path], text: str = "", folder: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """One run of a client; what it is told in `text` does not show among the machine's processes."""
    parts = [str(part) for part in command]
    return subprocess.run(
        parts,
        input=text,
        capture_output=True,
        text=True,
        cwd=folder,
        timeout=CLIENT_SECONDS,
        env={**os.environ, **environment},
        check=False,
    )


@dataclass
class Curl:
    """curl with a key as name and password, and nothing in its URL changed."""

    dav: Dav
    value: str | None
    # In place of name and password, a header that presents the key.
    header: str = ""

    def ask(self, method: str, path: str, *more: str) -> tuple[int, str]:
        """Status and body."""
        shown = ["--head"] if method == "HEAD" else ["-X", method]
        command = ["curl", "-sS", "--path-as-is", "--config", "-", "-w", "\n%{http_code}", *shown, *more]
        secret = f'header = "{self.header} {self.value}"' if self.header else f'user = "{self.value}:{self.value}"'
        done = run([*command, self.dav.url + path], secret if self.value else "")
        assert done.returncode == 0, done.stderr
        body, _, status = done.stdout.rpartition("\n")
        return int(status), body

    def status(self, method: str, path: str, *more: str) -> int:
        """The status alone."""
        return self.ask(method, path, *more)[0]

    def put(self, path: str, text: str, method: str = "PUT") -> int:
        """The status of an upload."""
        return self.status(method, path, "--data-binary", text)

    def move(self, method: str, path: str, destination: str) -> int:
        """The status of a MOVE or COPY."""
        return self.status(method, path, "-H", f"Destination: {destination}")


@dataclass
class Rclone:
    """rclone with a remote `dav:` below a path."""

    dav: Dav
    key: Key
    base: str

    def environment(self) -> dict[str, str]:
        """The remote, without a configuration file."""
        password = run(["rclone", "obscure", "-"], self.key.value).stdout.strip()
        remote = {"TYPE": "webdav", "VENDOR": "other", "URL": self.dav.url + self.base}
        remote |= {"USER": self.key.value, "PASS": password}
        settings = {"RCLONE_CONFIG": "", "RCLONE_RETRIES": "1", "RCLONE_LOW_LEVEL_RETRIES": "1"}
        return settings | {f"RCLONE_CONFIG_DAV_{name}": value for name, value in remote.items()}

    def __call__(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return run(["rclone", *arguments], **self.environment())

    def done(self, *arguments: str | Path) -> str:
        """What a command prints that succeeds."""
        finished = self(*arguments)
        assert finished.returncode == 0, finished.stderr
        return finished.stdout


@dataclass
class Cadaver:
    """cadaver, which asks without a key first and answers a Basic challenge from `.netrc`."""

    dav: Dav
    key: Key
    home: Path

    def __call__(self, path: str, *commands: str) -> str:
        """All that it prints while it carries out the commands in the collection."""
        netrc = self.home / ".netrc"
        netrc.write_text(f"machine {HOST} login {self.key.value} password {self.key.value}\n")
        netrc.chmod(0o600)
        done = run(["cadaver", self.dav.url + path], "\n".join([*commands, "quit\n"]), HOME=str(self.home))
        return done.stdout + done.stderr
