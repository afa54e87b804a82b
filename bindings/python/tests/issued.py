"""Tokens for the tests of the integrations."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from countermark import Client, Issued, Signer
from running_service import REPOSITORY, Service, StartService, binary


def signer_of(issued: Issued) -> Signer:
    """Signs with the token's secret, for any host."""
    assert issued.secret is not None and issued.key_version is not None
    return Signer(issued.token.id, {issued.key_version: issued.secret})


def link(issued: Issued, path: str, *, expires_in: int | None = None, expires: int | None = None) -> str:
    """A signed target at 127.0.0.1, its signature in the query."""
    url = f"http://127.0.0.1{path}"
    signed = signer_of(issued).sign(url, placement="query", expires_in=expires_in, expires=expires)
    return signed.removeprefix("http://127.0.0.1")


def used(client: Client, issued: Issued) -> int:
    """Uses that the service has counted."""
    return client.view(issued.token.id).used


@dataclass(frozen=True)
class ForeignUpload:
    """An upload token of another dialect, whose value does not tell its type."""

    service: Service
    key: str
    """The service's administrator key."""
    value: str


def foreign_upload(start_service: StartService, folder: Path, *, limit: int) -> ForeignUpload:
    """Issued as a client of Shardimage's API does; such keys are made on the database at rest."""
    data = str(folder / "data")
    first = start_service(data__directory=data)
    first.process.terminate()
    first.process.wait(10)
    command = [str(binary()), "shardimage-key", "create", "--name", "test", "--data", data, "--json"]
    made = json.loads(subprocess.run(command, env={}, capture_output=True, check=True).stdout)
    service = start_service(data__directory=data)
    uri = "/secure/v1/access-token"
    request = urllib.request.Request(
        service.url + uri,
        json.dumps({"type": "upload", "limit": limit}).encode(),
        {
            "Content-Type": "application/json; charset=utf-8",
            "X-Shardimage-Auth-Key": made["key"],
            "X-Shardimage-Auth-Signature": _shardimage_signature(uri, made["key"], made["secret"]),
        },
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request) as answer:
        return ForeignUpload(service, first.key, json.load(answer)["id"])


def _shardimage_signature(uri: str, key: str, secret: str) -> str:
    vectors = json.loads((REPOSITORY / "tests" / "vectors" / "shardimage.json").read_text())
    table = [base64.b64decode(entry) for entry in vectors["tables"]["api"]]
    chosen = [table[byte % len(table)] for byte in reversed(key.encode()[-4:])]
    parts = [chosen[0], key.encode(), chosen[1], uri.encode(), chosen[2], secret.encode(), chosen[3]]
    return "s-" + hashlib.sha1(b"".join(parts)).hexdigest()
