"""Calls everything native with whatever comes, from many threads.

It is a program of its own: an abort would end it. ``python abuse.py CALLS THREADS SEED`` ends with status 0
if every call returned or raised an ordinary exception. A panic is none: it derives from ``BaseException``.
"""

from __future__ import annotations

import random
import string
import sys
import threading
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import countermark
from countermark import Request, Signer, Token, TokenValue, UploadDirectives, UploadParameters
from countermark.errors import CountermarkError

TOKEN = "iu_034YCGMODo7rNXJe1rD0Im"
SECRETS = {1: "first secret of at least 32 bytes", 2: "second secret of at least 32 bytes"}
VALUE = "cmk_uTRGX1EciFuTjXUPUT7sgVblNpni4P7T0V72OF"
RECORD: dict[str, Any] = {
    "id": "ak_034YCGMODo7rNXJe1rD0Im",
    "type": "apiKey",
    "enabled": True,
    "used": 0,
    "dialect": "native",
    "revokedAt": None,
    "preview": VALUE[:15],
    "permissions": ["read", "files:*"],
    "basePath": "/team",
    "storages": ["main"],
    "clouds": ["c"],
    "limit": None,
    "expiry": None,
    "notBefore": None,
}
ORDINARY = (TypeError, ValueError, IndexError, CountermarkError)


class Lying(Sequence[str]):
    """Texts that claim to be others in number."""

    def __init__(self, texts: list[str], length: int) -> None:
        self.texts, self.length = texts, length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        return self.texts[index]  # pyright: ignore[reportUnknownVariableType]


class Junk:
    """Random arguments: strings that nearly fit, surrogates, huge numbers, and things of other types."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.signed = Signer(TOKEN, SECRETS).sign("https://img.example/c/i/cat.jpg?w=200")

    def text(self) -> str:
        kind = self.random.randrange(7)
        if kind == 0:
            at, other = self.random.randrange(len(self.signed)), chr(self.random.randrange(0x110000))
            return self.signed[:at] + other + self.signed[at + self.random.randrange(3) :]
        if kind == 1:
            return "\ud800" * self.random.randrange(1, 4) + self.signed
        if kind == 2:
            return "".join(chr(self.random.randrange(0x110000)) for _ in range(self.random.randrange(30)))
        if kind == 3:
            return "https://a/" + "".join(self.random.choices(string.printable, k=self.random.randrange(60)))
        if kind == 4:
            return self.random.choice(
                ["", "\0", "iu_", TOKEN, VALUE, VALUE[:-1], "https://", "a" * 9000, "é" * 40]
            )
        if kind == 5:
            return self.random.choice(
                ["GET", "HEAD", "get", "POST", "path", "query", "team", "/team/a", "/team/../b"]
            )
        return self.signed

    def number(self) -> object:
        return self.random.choice(
            [
                0,
                1,
                -1,
                2,
                600,
                65_535,
                65_536,
                2**31,
                2**63 - 1,
                2**63,
                2**64,
                -(2**64),
                10**40,
                253_402_300_800,
            ]
        )

    def other(self) -> object:
        choices: list[Callable[[], object]] = [
            lambda: None,
            lambda: True,
            lambda: self.random.choice([float("nan"), float("inf"), 1.5, -0.0, 1e300, 1j]),
            lambda: self.random.randbytes(self.random.randrange(9)),
            lambda: self.random.choice([timedelta.max, timedelta.min, timedelta(seconds=1.5), timedelta(-1)]),
            lambda: self.random.choice(
                [datetime.max, datetime.min, datetime.max.replace(tzinfo=timezone.utc)]
            ),
            lambda: {self.value(1): self.value(1) for _ in range(2) if self.random.random() < 0.9},
            lambda: [self.value(1) for _ in range(self.random.randrange(3))],
            lambda: (self.text(), self.text()),
            lambda: Decimal("NaN"),
            object,
            lambda: self,
            lambda: int,
            lambda: (self.text() for _ in range(2)),
        ]
        return self.random.choice(choices)()

    def value(self, depth: int = 0) -> Any:
        chance = self.random.random()
        if chance < 0.5 or depth:
            return self.text()
        return self.number() if chance < 0.75 else self.other()

    def __hash__(self) -> int:
        raise ValueError("not to be hashed")

    def __eq__(self, other: object) -> bool:
        raise ValueError("not to be compared")

    def record(self) -> object:
        if self.random.random() < 0.1:
            return self.value()
        record = dict(RECORD)
        for _ in range(self.random.randrange(3)):
            record[self.random.choice([*RECORD, "extra", "secretVersions", "revokedAt", self.text()])] = (
                self.value()
            )
        return record

    def options(self, names: list[str]) -> dict[str, Any]:
        return {name: self.value() for name in names if self.random.random() < 0.4}


def calls(junk: Junk) -> list[Callable[[], object]]:
    """Every way into the native module."""
    signer, token = Signer(TOKEN, SECRETS, host="img.example"), Token(RECORD, value=VALUE)
    when, batch = ["expires_in", "expires", "bucket", "placement", "now"], ["method", "now", "threads"]
    facts = list(Request.__dataclass_fields__)
    directives = [
        "tags",
        "add_tags",
        "transformation",
        "cloud_id",
        "public_id",
        "min_bytes",
        "mime_types",
        "insert_only",
    ]

    def urls() -> object:
        texts = [junk.text() for _ in range(3)]
        chance = junk.random.random()
        if chance < 0.1:
            return Lying(texts, junk.random.choice([0, 1, 2**31, 2**62, sys.maxsize]))
        if chance < 0.15:
            return range(10**15)
        return texts if chance < 0.8 else junk.value()

    def few_threads(options: dict[str, Any]) -> dict[str, Any]:
        # As many threads as somebody asks for are begun; thousands of them would test the machine.
        return {**options, "threads": junk.random.choice([-1, 0, 1, 2, 3, None, "x", 10**30])}

    return [
        lambda: Signer(junk.value(), junk.value(), **junk.options(["host", "placement"])),
        lambda: Signer(TOKEN, {junk.number(): junk.text()}, **junk.options(["host"])),  # type: ignore[dict-item]
        lambda: signer.sign(junk.value(), **junk.options(when)),
        lambda: signer.verify(junk.value(), **junk.options(batch[:2])),
        lambda: signer.validate(junk.value(), **junk.options(batch[:2])),
        lambda: signer.sign_many(urls(), **few_threads(junk.options(when))),  # type: ignore[arg-type]
        lambda: list(signer.verify_many(urls(), **few_threads(junk.options(batch[:2])))),  # type: ignore[arg-type]
        lambda: signer.verify_many([junk.text()])[junk.value()],  # pyright: ignore[reportUnknownLambdaType]
        lambda: repr(signer.verify_many([junk.text()], now=0)[0]),
        lambda: TokenValue.parse(junk.value()),
        lambda: TokenValue.parse(VALUE) == junk.value(),
        lambda: countermark.unverified_token_id(junk.value(), **junk.options(["host"])),
        lambda: Token(junk.record(), **junk.options(["secrets", "value"])),  # type: ignore[arg-type]
        lambda: token.decide(value=VALUE, request=Request(**junk.options(facts)), **junk.options(["now"])),
        lambda: token.decide(**junk.options(["url", "value", "request", "viewer_proven", "now"])),
        lambda: token.explain(**junk.options(["url", "value", "request", "viewer_proven", "now"])),
        lambda: UploadDirectives(**junk.options(directives)),
        lambda: UploadDirectives.from_extra(junk.value()),
        lambda: UploadDirectives(tags=["a"]).apply(
            UploadParameters(**junk.options(["tags", "cloud_id", "format"]))
        ),
        lambda: UploadDirectives(cloud_id="c").apply(
            **junk.options(["tags", "cloud_id", "format", junk.text()])
        ),
    ]


def abuse(count: int, seed: int, returned: set[int], failures: list[str]) -> None:
    """Makes so many calls; notes which ways returned, and the first call that ended otherwise than it may."""
    junk = Junk(seed)
    ways = calls(junk)
    for _ in range(count):
        way = junk.random.randrange(len(ways))
        try:
            ways[way]()
            returned.add(way)
        except ORDINARY as error:
            # Python's own errors of text would carry the whole text along.
            if isinstance(error, UnicodeError) and not isinstance(error, CountermarkError):
                failures.append(f"way {way}: {type(error).__name__}")
                return
        except BaseException as error:
            failures.append(f"way {way}: {type(error).__name__}: {error}")
            return


def main() -> int:
    """Divides the calls among the threads."""
    count, threads, seed = (int(argument) for argument in sys.argv[1:])
    returned: set[int] = set()
    failures: list[str] = []
    workers = [
        threading.Thread(target=abuse, args=(count // threads, seed + number, returned, failures))
        for number in range(threads)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    # Junk that is turned away at the door by every call would show nothing of what lies behind it.
    failures += [
        f"way {way} was never gone to its end" for way in range(len(calls(Junk(seed)))) if way not in returned
    ]
    print("\n".join(failures) or f"{count // threads * threads} calls")
    return len(failures)


if __name__ == "__main__":
    sys.exit(main())
