"""Refusals in words that the person at the page understands."""

from __future__ import annotations

from starlette.responses import JSONResponse, Response

from countermark import Refused, Unanswered

SENTENCES = {
    "MALFORMED": "This upload link is not valid. Please check that it is complete.",
    "UNKNOWN_TOKEN": "This upload link is not valid. Please check that it is complete.",
    "WRONG_TYPE": "This upload link is not valid. It was made for something else.",
    "REVOKED": "This upload link has been withdrawn.",
    "DISABLED": "This upload link is switched off at the moment.",
    "NOT_YET_VALID": "This upload link is not valid yet.",
    "EXPIRED": "This upload link has expired.",
    "LIMIT_REACHED": "This upload link has been used up.",
    "TOO_MANY_UPLOADS": "Too many uploads of this link are under way. Please wait until one of them is done.",
    "CONSTRAINT_FAILED": "This file is not accepted: its size, its kind or its name is not what this link allows.",
    "UPLOAD_CLOSED": "This upload has ended. Please begin again.",
    "FILE_TOO_LARGE": "This file is too large.",
    "NAME_TAKEN": "There is already an image with this name, and this link may not replace it.",
    "NAME_UNUSABLE": "This name cannot be used. Please choose a shorter one.",
    "BAD_FORM": "The form could not be read: it needs a file, and the file as its last field.",
    "BAD_FIELD": "A field of this form is too long or cannot be used.",
    "TOKEN_MISSING": "An upload link is needed.",
    "STORE_FAILED": "The file could not be stored. Nothing was used up; please try again later.",
    "UNANSWERED": "Uploads are not possible at the moment. Please try again later.",
}
OTHERWISE = "This upload link does not allow that."


def problem(status: int, code: str) -> Response:
    """An error that is for programs by its code and for people by its detail."""
    body = {"title": "The upload was refused", "status": status, "code": code}
    body["detail"] = SENTENCES.get(code, OTHERWISE)
    # Whoever is refused may still be sending; this connection is of no further use then.
    headers = {"cache-control": "no-store", "connection": "close"}
    return JSONResponse(body, status, headers, media_type="application/problem+json")


def refusal(error: Exception) -> Response:
    """What an upload client is told about an exception."""
    if isinstance(error, Refused):
        headers = {"www-authenticate": "Bearer"} if error.status == 401 else {}
        answer = problem(error.status, error.code)
        answer.headers.update(headers)
        return answer
    if isinstance(error, Unanswered):
        return problem(503, "UNANSWERED")
    return problem(500, "STORE_FAILED")


def token_of(authorization: str | None) -> str:
    """The upload token that a client presents."""
    scheme, _, value = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not value.strip():
        raise Refused(401, "TOKEN_MISSING")
    return value.strip()
