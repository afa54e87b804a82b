"""Records of tokens as the service shows them, with one thing or a few changed."""

from __future__ import annotations

from typing import Any

NOW = 1_800_000_000
SECRET = "a signing secret of the tests, long enough"
VALUE = "cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OF"
UPLOAD_VALUE = "cmu_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0UMtMP"
IMAGE_ID = "iu_034YCGMODo7rNXJe1rD0Im"
UPLOAD_ID = "up_034YCGMODo7rNXJe1rD0Im"
KEY_ID = "ak_034YCGMODo7rNXJe1rD0Im"

OF_ALL: dict[str, Any] = {
    "name": "press photos",
    "description": None,
    "owner": "shop",
    "labels": {"campaign": "spring"},
    "enabled": True,
    "status": "active",
    "notBefore": None,
    "expiry": None,
    "limit": None,
    "used": 0,
    "remaining": None,
    "notify": None,
    "autoDelete": False,
    "recoverable": False,
    "preview": None,
    "dialect": "native",
    "revision": 1,
    "createdAt": NOW,
    "updatedAt": NOW,
    "lastUsedAt": None,
    "revokedAt": None,
    "createdBy": None,
}


def image_record(**changes: Any) -> dict[str, Any]:
    """Of an imageUrl token that restricts nothing; `extra` changes its extra."""
    extra: dict[str, Any] = {"cloudId": None, "hosts": [], "authentication": {}, **changes.pop("extra", {})}
    versions = [{"version": 1, "state": "active", "createdAt": NOW, "verifyUntil": None}]
    of_type: dict[str, Any] = {
        "counting": "get",
        "countWindow": 0,
        "secretVersions": versions,
        "legacySignatures": False,
        "extra": extra,
    }
    return {"id": IMAGE_ID, "type": "imageUrl", **OF_ALL, **of_type, **changes}


def upload_record(**changes: Any) -> dict[str, Any]:
    """Of an upload token that directs and demands nothing."""
    extra: dict[str, Any] = {
        "cloudId": None,
        "notificationUrls": [],
        "tags": None,
        "addTags": [],
        "transformation": None,
        "transformationPrefix": None,
        "transformationPostfix": None,
        "format": None,
        "projection": None,
        "publicId": None,
        "minBytes": None,
        "maxBytes": None,
        "mimeTypes": [],
        "publicIdPrefix": None,
        "insertOnly": False,
    }
    extra |= changes.pop("extra", {})
    return {
        "id": UPLOAD_ID,
        "type": "upload",
        **OF_ALL,
        "extra": extra,
        **changes,
    }


def key_record(**changes: Any) -> dict[str, Any]:
    """Of an API key that may read anywhere."""
    of_type = {"permissions": ["read"], "basePath": None, "storages": None, "clouds": None}
    return {"id": KEY_ID, "type": "apiKey", **OF_ALL, **of_type, **changes}
