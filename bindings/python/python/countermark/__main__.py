"""``python -m countermark sign|verify|explain``: links at the command line, without the service.

Secrets never stand among the arguments, which every user of the machine can see. Exit codes: 0 done,
1 refused, 2 wrong usage, 3 a file cannot be read or written.
"""

from __future__ import annotations

import json
import os
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

from countermark import Decision, Request, Signer, Token, unverified_token_id
from countermark.command_parser import SECRET, Command, parser
from countermark.errors import InvalidArgument, Refused, WrongType
from countermark.records import Explanation

__all__ = ["main"]

REFUSED, USAGE, UNREACHABLE = 1, 2, 3
ERRORS = {REFUSED: "refused", USAGE: "usage", UNREACHABLE: "unreachable"}
OPTIONS = {
    "url": "--url",
    "token_id": "--token",
    "expires": "--expires",
    "expires_in": "--ttl",
    "bucket": "--bucket",
    "request.method": "--method",
    "secrets": "signing secret",
}
"""What the arguments of the package are called here."""


class Failure(Exception):
    """Why a command ends with another exit code than 0."""

    def __init__(self, exit_code: int, message: str, code: str | None = None) -> None:
        """``code`` is that of a refusal."""
        super().__init__(message)
        self.exit_code = exit_code
        self.code = code


def main(arguments: Sequence[str] | None = None) -> int:
    """Does what the arguments say; by default those of the process. The exit code."""
    asked = parser(sign=sign, verify=verify, explain=explain).understand(arguments)
    as_json: bool = getattr(asked, "json", False)
    command: Command = asked.command
    try:
        try:
            answer, text = command(asked)
        except InvalidArgument as error:
            raise failure_of(error) from error
        say(sys.stdout, json.dumps(answer) if as_json else text)
    except Failure as failure:
        return tell(failure, as_json)
    return 0


def tell(failure: Failure, as_json: bool) -> int:
    """Says on standard error why a command has failed; its exit code."""
    with suppress(Failure):
        say(sys.stderr, failure_text(failure, as_json))
    return failure.exit_code


def sign(asked: Namespace) -> tuple[Mapping[str, object], str]:
    """Signs a URL."""
    signer = Signer(asked.token, {asked.key_version or 1: secret_of(asked)}, placement=asked.placement)
    url = signer.sign(asked.url, expires=asked.expires, expires_in=asked.ttl, bucket=asked.bucket)
    return {"url": url}, url


def verify(asked: Namespace) -> tuple[Mapping[str, object], str]:
    """Proves a link and says what it says."""
    secret = secret_of(asked)
    try:
        signer = Signer(signing_token(asked), {asked.key_version or 1: secret})
        url = signer.verify(asked.url, method=asked.method)
    except Refused as refusal:
        raise Failure(REFUSED, f"{refusal.code}: {refusal}", refusal.code) from refusal
    facts = {
        "tokenId": url.token_id,
        "keyVersion": url.key_version,
        "placement": url.placement,
        "host": url.host,
        "cloudId": url.cloud_id,
        "path": url.path,
        "expires": url.expires,
    }
    return facts, columns([(name, cell(fact)) for name, fact in facts.items()])


def explain(asked: Namespace) -> tuple[Mapping[str, object], str]:
    """Says why a link is allowed or refused; exit code 0 means explained, whatever the decision."""
    secret = secret_of(asked)
    try:
        token = token_of(asked, secret)
    except Refused as refusal:
        explanation = Explanation(Decision(False, refusal.code), differs=(str(refusal),))
    else:
        request = Request(method=asked.method)
        explanation = token.explain(url=asked.url, request=request, viewer_proven=asked.viewer_proven)
    answer = {
        **members_of(explanation.decision),
        "steps": [{"code": step.code, "outcome": step.outcome} for step in explanation.steps],
        "form": explanation.form,
        "canonicalString": explanation.canonical_string,
        "differs": list(explanation.differs),
    }
    return answer, explanation_text(explanation)


def token_of(asked: Namespace, secret: str) -> Token:
    """The token of the record; without one, a token that restricts nothing."""
    if asked.record is not None:
        try:
            found: object = json.loads(read_file(asked.record))
        except (ValueError, RecursionError) as error:
            raise Failure(USAGE, "--record: expected JSON, the service's record of a token") from error
        if not isinstance(found, dict):
            raise Failure(USAGE, "--record: expected a JSON object, the service's record of a token")
        record = cast("dict[str, Any]", found)
        return Token(record, secrets=secret if asked.key_version is None else {asked.key_version: secret})
    version = asked.key_version or 1
    token_id = Signer(signing_token(asked), {version: secret}).token_id
    unrestricted: dict[str, Any] = {
        "id": token_id,
        "type": "imageUrl",
        "enabled": True,
        "notBefore": None,
        "expiry": None,
        "limit": None,
        "used": 0,
        "dialect": "native",
        "revokedAt": None,
        "counting": "get",
        "countWindow": 0,
        "secretVersions": [{"version": version, "state": "active", "verifyUntil": None}],
        "legacySignatures": False,
        "extra": {"cloudId": None, "hosts": [], "authentication": {}},
    }
    return Token(unrestricted, secrets={version: secret})


def signing_token(asked: Namespace) -> str:
    """The id that was given, or else that the link names."""
    if asked.token is not None:
        given: str = asked.token
        return given
    named = unverified_token_id(asked.url)
    if not named.startswith("iu_"):
        raise WrongType
    return named


def secret_of(asked: Namespace) -> str:
    """The signing secret: of ``--secret-file``, or of the environment."""
    if asked.secret_file is not None:
        return read_file(asked.secret_file).rstrip("\r\n")
    value, file = os.environ.get(SECRET), os.environ.get(f"{SECRET}_FILE")
    if value and file:
        raise Failure(USAGE, f"{SECRET} and {SECRET}_FILE are both given")
    if file:
        return read_file(Path(file)).rstrip("\r\n")
    if not value:
        raise Failure(USAGE, f"a signing secret is needed: --secret-file, {SECRET} or {SECRET}_FILE")
    return value


def read_file(path: Path) -> str:
    """The text of a file."""
    try:
        return path.read_text("utf-8")
    except OSError as error:
        raise Failure(UNREACHABLE, f"{path}: {error.strerror or 'cannot be read'}") from error
    except UnicodeDecodeError:
        # Python's own exception would carry the whole content along.
        raise Failure(UNREACHABLE, f"{path}: expected UTF-8") from None


def failure_of(error: InvalidArgument) -> Failure:
    """The same in words of the command line. A URL is refused, everything else is wrong usage."""
    argument, separator, expected = str(error).partition(": ")
    option = OPTIONS.get(
        argument.split("[")[0], f"--{argument}" if argument.startswith("record") else argument
    )
    return Failure(REFUSED if argument == "url" else USAGE, f"{option}{separator}{expected}")


def failure_text(failure: Failure, as_json: bool) -> str:
    """One line about a failure."""
    if not as_json:
        return f"countermark: {failure}"
    members = {"error": ERRORS[failure.exit_code], "message": str(failure), "problem": None}
    return json.dumps(members if failure.code is None else {**members, "code": failure.code})


def members_of(decision: Decision) -> dict[str, object]:
    """A decision as the service's JSON has it."""
    return {
        "allowed": decision.allowed,
        "code": decision.code,
        "tokenId": decision.token_id,
        "type": decision.type,
        "owner": decision.owner,
        "limit": decision.limit,
        "used": decision.used,
        "remaining": decision.remaining,
        "expiry": decision.expiry,
    }


def explanation_text(explanation: Explanation) -> str:
    """The decision, its trace as a table, and what differs."""
    decision = explanation.decision
    members = [(name, cell(member)) for name, member in members_of(decision).items() if member is not None]
    parts = [f"{'allowed' if decision.allowed else 'refused'}: {decision.code}\n" + columns(members[2:])]
    if explanation.steps:
        rows = [("RULE", "OUTCOME"), *((step.code, step.outcome) for step in explanation.steps)]
        parts.append(columns(rows))
    if explanation.form == "s-token2":
        parts.append("The URL is signed in the legacy form s-token2.")
    if explanation.canonical_string is not None:
        lines = "\n".join(f"    {cell(line)}" for line in explanation.canonical_string.split("\n"))
        parts.append(f"The signature must be over these lines:\n{lines}")
    parts += [f"What differs: {cell(difference)}" for difference in explanation.differs]
    return "\n\n".join(part.rstrip("\n") for part in parts)


def columns(rows: Sequence[tuple[str, str]]) -> str:
    """Two columns, the first as wide as its widest cell."""
    width = max((len(name) for name, _ in rows), default=0)
    return "".join(f"{name:<{width}}  {text}\n" for name, text in rows)


def cell(value: object) -> str:
    """Text whose control characters cannot reach the terminal; ``-`` for nothing."""
    text = "-" if value is None else str(value)
    return "".join(character if character.isprintable() else "\ufffd" for character in text)


def say(stream: Any, text: str) -> None:
    """Writes lines; a reader that has gone away is no failure, but a full disk or a closed stream is."""
    if stream is None:
        raise Failure(UNREACHABLE, "the answer cannot be written: the stream is closed")
    try:
        stream.write(text.rstrip("\n") + "\n")
        stream.flush()
    except UnicodeEncodeError:
        raise Failure(UNREACHABLE, "the answer cannot be written in this locale") from None
    except OSError as error:
        # Else the interpreter would complain when it flushes at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
        if not isinstance(error, BrokenPipeError):
            reason = error.strerror or "it cannot be written"
            raise Failure(UNREACHABLE, f"the answer cannot be written: {reason}") from error


if __name__ == "__main__":
    sys.exit(main())
