"""Records shardimage_recorded/*.http anew: the requests of the official PHP SDK to a server that only keeps them.

Run by hand, with the SDK's folder in COUNTERMARK_SHARDIMAGE_SDK: `python record_shardimage.py`.
"""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from shardimage import CLOUD
from shardimage_php import VARIABLE, Sdk
from shardimage_replay import ABSENT_ID, DUMMY, FILE, HOST, IMAGE_ID, RECORDED, SECRET, UPLOAD_ID
from wire import answer, recorder

IMAGE = {
    "expiry": 4_000_000_000,
    "limit": 3,
    "extra": {
        "cloudId": CLOUD,
        "secret": SECRET,
        "authentication": {"viewer1": "plain", "viewer2": {"msha1": "password"}},
    },
}
UPLOAD = {
    "expiry": 4_000_000_000,
    "limit": 2,
    "extra": {
        "cloudId": CLOUD,
        "tags": ["first", "second"],
        "addTags": ["third"],
        "transformationPrefix": "w:200",
        "format": "webp",
        "notificationUrls": ["https://example.com/hook"],
    },
}
PLAIN = {"extra": {"secret": SECRET}}
# PHP makes an integer of such a name, which MessagePack keeps.
NUMBERED = {"extra": {"cloudId": CLOUD, "secret": SECRET, "authentication": {"1001": "plain"}}}
PICTURE = {"cloudId": CLOUD, "publicId": "pid", "tags": ["given"]}
BATCH = [
    {"do": "view", "type": "imageUrl", "id": IMAGE_ID},
    {"do": "view", "type": "imageUrl", "id": ABSENT_ID},
    {"do": "create", "type": "imageUrl", "token": PLAIN},
    {"do": "exists", "id": IMAGE_ID},
    {"do": "exists", "id": ABSENT_ID},
]


def steps(file: Path) -> dict[str, dict[str, Any]]:
    """What is recorded, by the name of the file; `token` steps present the upload token."""
    projections = {"options": {"projections": ["id", "extra"]}}
    return {
        "create_image_url": {"do": "create", "type": "imageUrl", "token": IMAGE},
        "create_upload": {"do": "create", "type": "upload", "token": UPLOAD},
        "create_with_no_tags": {"do": "create", "type": "upload", "token": {"extra": {"tags": [], "addTags": ["one"]}}},
        "create_with_numbered_viewer": {"do": "create", "type": "imageUrl", "token": NUMBERED},
        "create_without_extra": {"do": "create", "type": "imageUrl", "token": {"extra": {}}},
        "update": {"do": "update", "type": "imageUrl", "token": {"id": IMAGE_ID, **IMAGE, "limit": 9}},
        "view": {"do": "view", "type": "imageUrl", "id": IMAGE_ID},
        "view_with_projections": {"do": "view", "type": "imageUrl", "id": IMAGE_ID, **projections},
        "exists": {"do": "exists", "id": IMAGE_ID},
        "exists_absent": {"do": "exists", "id": ABSENT_ID},
        "revoke": {"do": "revoke", "id": IMAGE_ID},
        "batch": {"do": "batch", "steps": BATCH},
        "upload_related": {"do": "upload", "path": str(file), **PICTURE},
        "upload_remote": {"do": "remote", "resource": "https://example.com/cat.png", **PICTURE},
    }


def main() -> None:
    folder = Path(os.environ[VARIABLE]).resolve()
    port = int(HOST.rpartition(":")[2])
    with recorder(lambda _: answer(200, b"{}", reason="OK"), port) as server, tempfile.TemporaryDirectory() as place:
        file = Path(place) / "cat.png"
        file.write_bytes(FILE)
        for form, use_msgpack in (("json", False), ("msgpack", True)):
            sdk = Sdk(folder, server.url, DUMMY, use_msgpack)
            for name, step in steps(file).items():
                is_upload = step["do"] in ("upload", "remote")
                # What the SDK makes of the empty answer is of no interest here.
                (sdk.with_upload_token(UPLOAD_ID) if is_upload else sdk).run(step)
                (raw,) = server.raw
                server.raw.clear()
                (RECORDED / f"{name}_{form}.http").write_bytes(raw)


if __name__ == "__main__":
    main()
