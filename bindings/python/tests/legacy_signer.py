"""A signer of `s-token2` links, which the package only verifies.

It goes by the description of the algorithm and the table among the vectors, and shares nothing with what it
tests.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json

from vectors import VECTORS

TABLE = [
    base64.b64decode(line)
    for line in json.loads((VECTORS / "shardimage.json").read_text())["tables"]["token2"]
]


def legacy_signature(token_id: str, secret: str, path: str, host: str) -> str:
    """The signature over a path without its leading slash and a host in lower case."""
    offset = 0
    pieces: list[bytes] = []
    for character, part in zip(token_id, (token_id, secret, path, host), strict=False):
        offset += ord(character)
        constant = TABLE[offset % len(TABLE)]
        offset += constant[0]
        pieces += [constant, part.encode(), hashlib.sha1(str(offset).encode()).digest()]
    digest = hashlib.sha1(bytes([offset & 255]).join(pieces)).digest()
    turned = bytes(itertools.islice(itertools.cycle(digest), offset % 20, offset % 20 + 24))
    return base64.urlsafe_b64encode(turned).decode()


def legacy_link(host: str, cloud: str, path: str, *, token_id: str, secret: str) -> str:
    """A signed link to `path` in a cloud."""
    signature = legacy_signature(token_id, secret, path, host)
    return f"https://{host}/{cloud}/s-token2:{token_id},{signature}/{path}"
