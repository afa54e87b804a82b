"""What an upload server asks of Countermark: begin, complete, abort, and what has become of an upload."""

from __future__ import annotations

import asyncio
import logging
import uuid
from typing import Any
from urllib.parse import quote

import httpx2

log = logging.getLogger("upload-server")

# Said to the upload client as they are; every other problem is this server's own fault.
REFUSALS = {
    *("MALFORMED", "UNKNOWN_TOKEN", "WRONG_TYPE", "REVOKED", "DISABLED", "NOT_YET_VALID", "EXPIRED"),
    *("METHOD_DENIED", "WRONG_CLOUD", "PATH_DENIED", "STORAGE_DENIED", "PERMISSION_DENIED", "CONSTRAINT_FAILED"),
    *("LIMIT_REACHED", "TOO_MANY_UPLOADS", "UPLOAD_CLOSED"),
}
TRIES = 3


class Refused(Exception):
    """An upload may not be; `code` says why."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.status = status
        self.code = code


class Unanswered(Exception):
    """Countermark could not be asked, or does not accept this server's own key."""


class Countermark:
    """Countermark as an upload server sees it, with this server's own key (permission `authorize`)."""

    def __init__(self, url: str, key: str) -> None:
        self._http = httpx2.AsyncClient(
            base_url=url, headers={"authorization": f"Bearer {key}"}, timeout=20, trust_env=False
        )

    async def begin(self, value: str, request: dict[str, Any]) -> dict[str, Any]:
        """Reserves a use of the client's token; a repetition after a lost answer finds the same reservation."""
        return await self._post("", {"value": value, "request": request, "idempotencyKey": str(uuid.uuid4())})

    async def complete(self, upload_id: str, result: dict[str, Any]) -> dict[str, Any]:
        """Makes the use final, unless the real figures are not what the token allows."""
        return await self._post(f"/{upload_id}/complete", {"result": result})

    async def abort(self, upload_id: str) -> None:
        """Gives the use back; what has ended already stays as it is."""
        try:
            await self._post(f"/{upload_id}/abort", {})
        except Refused:
            log.info("upload %s had ended before it was aborted", upload_id)

    async def view(self, upload_id: str) -> dict[str, Any]:
        """What Countermark knows of an upload; refused with `UPLOAD_CLOSED` if it knows nothing."""
        return await self._ask("GET", f"/{quote(upload_id, safe='')}")

    async def close(self) -> None:
        """Ends the connections."""
        await self._http.aclose()

    async def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        return await self._ask("POST", path, body)

    async def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        # Each of the calls may be repeated: begin has its key, the others change nothing a second time.
        for attempt in range(TRIES):
            try:
                answer = await self._http.request(method, f"/v1/uploads{path}", json=body)
            except httpx2.TransportError:
                answer = None
            if answer is not None and answer.status_code != 503:
                return _read(answer)
            if attempt + 1 < TRIES:
                await asyncio.sleep(0.1 * 4**attempt)
        raise Unanswered("Countermark does not answer")


def _read(answer: httpx2.Response) -> dict[str, Any]:
    content: dict[str, Any]
    try:
        content = answer.json()
    except ValueError:
        content = {}
    if answer.is_success:
        return content
    code = str(content.get("code", ""))
    if code in REFUSALS:
        raise Refused(answer.status_code, code)
    if answer.status_code == 404:
        raise Refused(409, "UPLOAD_CLOSED")
    if code == "INVALID_MEMBER":
        raise Refused(400, "BAD_FIELD")
    # For the operator's eyes: most often the key of this server is wrong or lacks `authorize`.
    log.error("Countermark answered %s %s: %s", answer.status_code, code, content.get("detail", ""))
    raise Unanswered(f"Countermark answered {answer.status_code} {code}")
