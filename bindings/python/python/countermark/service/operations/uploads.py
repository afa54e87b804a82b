"""Calls about uploads."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from countermark.errors import InvalidArgument
from countermark.records.upload import Upload
from countermark.service.arguments import handle, idempotency_key, plain, told
from countermark.service.call import Call, call, reading

__all__ = ["abort", "begin", "complete", "demand_sendable", "report", "view"]

UPLOADS = "/v1/uploads"
LONGEST_REPORT = 8 * 1024
"""Bytes of a report that the service takes."""


def begin(
    value: str | None,
    *,
    tags: Sequence[str] | None,
    key: str | None,
    **parameters: object,
) -> Call[Upload]:
    """`POST /v1/uploads`."""
    asked = told(
        tags=tags if tags is None or isinstance(tags, (set, frozenset)) else list(tags), **parameters
    )
    key = idempotency_key(key)
    return call(
        "POST",
        UPLOADS,
        reading(Upload.from_json),
        body=told(value=value, request=asked or None),
        idempotency_key=key,
        is_repeatable=key is not None,
    )


def complete(upload_id: str, report: Mapping[str, object]) -> Call[Upload]:
    """`POST /v1/uploads/{id}/complete`."""
    body = {"result": sent(report)}
    return call("POST", path(upload_id) + "/complete", reading(Upload.from_json), body=body)


def sent(report: Mapping[str, object]) -> dict[str, object]:
    """A report as its completion sends it."""
    return {name: plain(member) for name, member in report.items()}


def demand_sendable(report: Mapping[str, object]) -> None:
    """Returns if the report can be sent.

    Raises:
        InvalidArgument: it is not what JSON can hold, or too long.
    """
    try:
        text = json.dumps(sent(report), separators=(",", ":"), allow_nan=False, ensure_ascii=False)
        length = len(text.encode())
    except (TypeError, ValueError, RecursionError):
        raise InvalidArgument("report: expected nothing but what JSON can hold") from None
    if length > LONGEST_REPORT:
        raise InvalidArgument("report: expected at most 8 KiB of JSON in all")


def report(
    bytes: int | None, content_type: str | None, existed: bool | None, more: Mapping[str, object]
) -> dict[str, object]:
    """A report in JSON: what is None is left out, and names beyond our own stay as they are."""
    return told(bytes=bytes, content_type=content_type, existed=existed) | dict(more)


def abort(upload_id: str) -> Call[Upload]:
    """`POST /v1/uploads/{id}/abort`."""
    return call("POST", path(upload_id) + "/abort", reading(Upload.from_json))


def view(upload_id: str) -> Call[Upload]:
    """`GET /v1/uploads/{id}`."""
    return call("GET", path(upload_id), reading(Upload.from_json))


def path(upload_id: str) -> str:
    """An upload's path."""
    return f"{UPLOADS}/{handle('upload_id', upload_id)}"
