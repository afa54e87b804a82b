"""Signing and checking links in Python: Countermark's package beside its peers, in one run.

    maturin build --release -m bindings/python/Cargo.toml -o target/wheels
    python3 -m venv target/compare
    target/compare/bin/pip install -r benches/python/requirements.txt target/wheels/countermark-*.whl
    target/compare/bin/python benches/python/compare.py

Every peer does what its documentation advises, with its own form of a link, with the same lifetime of an
hour where it knows one, and with a key that is prepared once where it can be. A check is the whole check:
read what came, find the signature in it, compute it again, compare, compare the expiry with the clock.
Every result is looked at. One repetition runs every case once, in another order each time, so that a slow
minute of the machine hits all of them; ratios are taken within a repetition, and the table shows medians.
On a machine that others use, too, `--clock cpu` counts the time that the process has really had, of all its
threads together.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import os
import platform
import random
import re
import statistics
import subprocess
import sys
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.metadata import version
from operator import truediv
from typing import Any

import jwt
from cloudinary import auth_token
from countermark import Signer
from itsdangerous import TimestampSigner, URLSafeTimedSerializer
from libthumbor import CryptoURL
from libthumbor.url_signers.base64_hmac_sha1 import UrlSigner

SECRET = "a secret of thirty-two characters"
LIFETIME = 3600
BATCH = 10_000
ORIGIN = "https://img.example.com"
TARGETS = [f"/shop/w:400,h:300/products/{number:05d}/front-view.jpg?v=3" for number in range(BATCH)]
URLS = [ORIGIN + target for target in TARGETS]

CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


@dataclass(frozen=True)
class Case:
    """What is measured."""

    job: str
    """``check`` or ``sign``."""
    name: str
    run: Callable[[], object]
    """Does the job for ``links`` links and fails if a result is not what it must be."""
    links: int = BATCH
    """Fewer for slow peers, so that all cases of a repetition see the same minute."""


def each(function: Callable[[Any], object], inputs: Iterable[Any], times: int) -> Callable[[], object]:
    """Calls ``function`` with the first ``times`` inputs, one at a time; its results must be true."""
    chosen = list(inputs)[:times]

    def run() -> None:
        for given in chosen:
            if not function(given):
                raise AssertionError("a link was refused")

    return run


def countermark_cases() -> Iterable[Case]:
    """A secret that is keyed once by the signer."""
    signer = Signer("iu_034YCGMODo7rNXJe1rD0Im", SECRET)
    links = signer.sign_many(URLS, expires_in=LIFETIME)
    verify, sign = signer.verify, signer.sign
    yield Case("check", "countermark", each(verify, links, BATCH))
    yield Case("check", "countermark, then `.path`", each(lambda link: verify(link).path, links, BATCH))
    yield Case("sign", "countermark", each(lambda url: sign(url, expires_in=LIFETIME), URLS, BATCH))
    for threads in (1, 2):

        def check(threads: int = threads) -> None:
            if not signer.verify_many(links, threads=threads).all_allowed:
                raise AssertionError("a link was refused")

        def make(threads: int = threads) -> None:
            if len(signer.sign_many(URLS, expires_in=LIFETIME, threads=threads)) != BATCH:
                raise AssertionError("a link is missing")

        name = f"countermark, batch of {BATCH:,}, {threads} thread{'s' * (threads > 1)}"
        yield Case("check", name, check)
        yield Case("sign", name, make)

    def read() -> None:
        for verdict in signer.verify_many(links):
            if not verdict:
                raise AssertionError("a link was refused")

    yield Case("check", f"countermark, batch of {BATCH:,}, 1 thread, each result taken", read)


def standard_library_cases() -> Iterable[Case]:
    """HMAC-SHA256 over the URL without its signature, by a key that is prepared once."""
    keyed = hmac.new(SECRET.encode(), digestmod="sha256")

    def signature(signed: str) -> str:
        mac = keyed.copy()
        mac.update(signed.encode())
        return urlsafe_b64encode(mac.digest())[:-1].decode()

    def sign(url: str) -> str:
        joint = "&" if "?" in url else "?"
        signed = f"{url}{joint}expires={int(time.time()) + LIFETIME}"
        return f"{signed}&signature={signature(signed)}"

    def check(link: str) -> bool:
        signed, found, presented = link.rpartition("&signature=")
        if not found or not hmac.compare_digest(signature(signed), presented):
            return False
        expires = signed.rpartition("expires=")[2]
        return expires.isdecimal() and time.time() < int(expires)

    links = [sign(url) for url in URLS]
    yield Case("check", "standard library (`hmac`)", each(check, links, BATCH))
    yield Case("sign", "standard library (`hmac`)", each(sign, URLS, BATCH))


def itsdangerous_cases(links: int = 1000) -> Iterable[Case]:
    """HMAC-SHA1 over the path, by a key that it derives anew each time."""
    serializer = URLSafeTimedSerializer(SECRET, salt="links")
    tokens = [serializer.dumps(target) for target in TARGETS[:links]]
    load = each(lambda token: serializer.loads(token, max_age=LIFETIME), tokens, links)
    yield Case("check", "itsdangerous `URLSafeTimedSerializer`", load, links)
    yield Case("sign", "itsdangerous `URLSafeTimedSerializer`", each(serializer.dumps, TARGETS, links), links)
    signer = TimestampSigner(SECRET, salt="links")
    signed = [signer.sign(target) for target in TARGETS[:links]]
    unsign = each(lambda link: signer.unsign(link, max_age=LIFETIME), signed, links)
    yield Case("check", "itsdangerous `TimestampSigner`", unsign, links)
    yield Case("sign", "itsdangerous `TimestampSigner`", each(signer.sign, TARGETS, links), links)


def pyjwt_cases(links: int = 500) -> Iterable[Case]:
    """HMAC-SHA256 over the path and an expiry as claims."""

    def encode(target: str) -> str:
        return jwt.encode({"sub": target, "exp": int(time.time()) + LIFETIME}, SECRET, algorithm="HS256")

    tokens = [encode(target) for target in TARGETS[:links]]
    decode = each(lambda token: jwt.decode(token, SECRET, algorithms=["HS256"]), tokens, links)
    yield Case("check", "PyJWT, HS256", decode, links)
    yield Case("sign", "PyJWT, HS256", each(encode, TARGETS, links), links)


def libthumbor_cases(links: int = 2000) -> Iterable[Case]:
    """HMAC-SHA1; its links have no expiry."""
    maker, signer = CryptoURL(SECRET), UrlSigner(SECRET)

    def sign(target: str) -> str:
        made: str = maker.generate(image_url=target, width=400, height=300)
        return made

    def check(link: str) -> bool:
        _, signature, url = link.split("/", 2)
        return bool(signer.validate(signature.encode(), url))

    yield Case("check", "libthumbor (no expiry)", each(check, map(sign, TARGETS[:links]), links), links)
    yield Case("sign", "libthumbor (no expiry)", each(sign, TARGETS, links), links)


def cloudinary_cases(links: int = 1000) -> Iterable[Case]:
    """The package makes tokens only; what checks them is the vendor's network."""
    key = hashlib.sha256(SECRET.encode()).hexdigest()

    def sign(target: str) -> str:
        token: str = auth_token.generate(url=target, duration=LIFETIME, key=key)
        return token

    yield Case("sign", "cloudinary `auth_token`", each(sign, TARGETS, links), links)


def measure(cases: list[Case], repetitions: int, clock: Callable[[], float]) -> dict[Case, list[float]]:
    """Seconds for one link, of each case and repetition."""
    seconds: dict[Case, list[float]] = {case: [] for case in cases}
    order = random.Random(1)
    for case in cases:
        case.run()
    for _ in range(repetitions):
        for case in order.sample(cases, len(cases)):
            start = clock()
            case.run()
            seconds[case].append((clock() - start) / case.links)
    return seconds


def print_table(job: str, seconds: dict[Case, list[float]]) -> None:
    """Medians; ratios are how many times as long a case takes as Countermark, singly and as a batch."""
    of_job = {case: times for case, times in seconds.items() if case.job == job}
    one, batch = (
        next(times for case, times in of_job.items() if case.name == name)
        for name in ("countermark", f"countermark, batch of {BATCH:,}, 1 thread")
    )
    print(f"| {job} | µs/link | links/s | times countermark | times its batch on 1 thread |")
    print("|---|---|---|---|---|")
    for case, times in of_job.items():
        middle = statistics.median(times)
        ratios = (statistics.median(map(truediv, times, base)) for base in (one, batch))
        cells = (
            case.name,
            f"{middle * 1e6:.2f}",
            f"{1 / middle:,.0f}",
            *(f"{ratio:.2f}" for ratio in ratios),
        )
        print(f"| {' | '.join(cells)} |")
    print()


def print_imports(repetitions: int) -> None:
    """Milliseconds that an import adds to an interpreter that has just started, by its own count."""
    print("| import | ms |")
    print("|---|---|")
    for module in ("countermark", "itsdangerous", "jwt"):
        times = [import_milliseconds(module) for _ in range(repetitions)]
        print(f"| `{module}` | {statistics.median(times):.1f} |")


def import_milliseconds(module: str) -> float:
    """The cumulated time that ``-X importtime`` reports for the module."""
    command = [sys.executable, "-X", "importtime", "-c", f"import {module}"]
    report = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    found = re.search(rf"\|\s+(\d+) \|\s+{module}$", report, re.MULTILINE)
    assert found, report
    return int(found[1]) / 1000


def main() -> None:
    """Prints the tables as Markdown."""
    parser = argparse.ArgumentParser(description="Compare signing and checking links with peers.")
    parser.add_argument("--repetitions", type=int, default=21, help="of every case (default: 21)")
    parser.add_argument("--clock", choices=CLOCKS, default="wall", help="what times mean (default: wall)")
    options = parser.parse_args()
    repetitions: int = options.repetitions
    cases = [
        case
        for make in (
            countermark_cases,
            standard_library_cases,
            itsdangerous_cases,
            pyjwt_cases,
            libthumbor_cases,
            cloudinary_cases,
        )
        for case in make()
    ]
    packages = ("countermark", "itsdangerous", "PyJWT", "libthumbor", "cloudinary")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    print(
        f"CPython {platform.python_version()}, {os.cpu_count()} cores, {versions}; "
        f"{repetitions} repetitions, {options.clock} time.\n"
    )
    seconds = measure(cases, repetitions, CLOCKS[options.clock])
    print_table("check", seconds)
    print_table("sign", seconds)
    print_imports(repetitions)


if __name__ == "__main__":
    main()
