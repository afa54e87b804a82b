"""What ``python -m countermark`` understands."""

from __future__ import annotations

import re
from argparse import SUPPRESS, ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, TypeAlias

from countermark import __version__

__all__ = ["SECRET", "Command", "parser"]

SECRET = "COUNTERMARK_SIGNING_SECRET"
LATEST = 253_402_300_799
LONGEST_METHOD = 32
METHOD_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ-")
QUOTED = re.compile(r"""'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*\"""")

Command: TypeAlias = Callable[[Namespace], tuple[Mapping[str, object], str]]
"""Does what its arguments say: the answer as JSON, and as text."""


def parser(*, sign: Command, verify: Command, explain: Command) -> Parser:
    """What the commands understand; what they do is given."""
    everywhere = Parser(add_help=False)
    everywhere.add_argument(
        "--json", action="store_true", default=SUPPRESS, help="answer in JSON; errors, too, on standard error"
    )
    secret = Parser(add_help=False)
    secret.add_argument(
        "--secret-file", type=Path, metavar="FILE", help="a file that holds the signing secret"
    )
    secret.add_argument(
        "--key-version",
        type=whole(1, 65535),
        metavar="NUMBER",
        help="the version of that secret; 1 if absent",
    )
    link = Parser(add_help=False)
    link.add_argument("--url", required=True, help="full URL with its signature")
    link.add_argument("--token", metavar="ID", help="the token that has to have signed; else the URL's own")
    link.add_argument("--method", type=method, default="GET", help="HTTP method of the use; GET if absent")
    whole_parser = Parser(
        prog="python -m countermark",
        description="Signs, verifies and explains links with a signing secret at hand, without the service.",
        epilog=f"The secret comes from --secret-file, {SECRET} or the file that {SECRET}_FILE names. "
        "Exit codes: 0 done, 1 refused, 2 wrong usage, 3 a file cannot be read or written.",
        parents=[everywhere],
        allow_abbrev=False,
    )
    whole_parser.add_argument("--version", action="version", version=__version__)
    commands = whole_parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, run: Command, summary: str, *parents: Parser) -> Parser:
        made = commands.add_parser(
            name,
            help=summary,
            description=summary,
            parents=[everywhere, secret, *parents],
            allow_abbrev=False,
        )
        made.set_defaults(command=run)
        return made

    signing = command("sign", sign, "sign a URL")
    signing.add_argument("--url", required=True, help="full URL without a signature")
    signing.add_argument("--token", required=True, metavar="ID", help="the imageUrl token that signs")
    expiry = signing.add_mutually_exclusive_group()
    seconds = whole(0, LATEST)
    expiry.add_argument(
        "--expires", type=seconds, metavar="SECONDS", help="Unix seconds at which the link ends"
    )
    expiry.add_argument("--ttl", type=seconds, metavar="SECONDS", help="seconds after which the link ends")
    signing.add_argument(
        "--bucket", type=seconds, metavar="SECONDS", help="round the expiry up to a multiple of this"
    )
    signing.add_argument(
        "--placement", choices=("path", "query"), default="path", help="where the signature stands"
    )
    command("verify", verify, "prove a link and say what it says", link)
    explaining = command("explain", explain, "see why a link would be allowed or refused", link)
    explaining.add_argument(
        "--record", type=Path, metavar="FILE", help="the token's record, JSON as the service shows it"
    )
    explaining.add_argument(
        "--viewer-proven",
        action="store_true",
        help="as if the viewer had proven to be one of the token's users",
    )
    return whole_parser


class Parser(ArgumentParser):
    """Never repeats what stands among the arguments, beside the names of options: it may be a secret."""

    def error(self, message: str) -> NoReturn:
        """Ends with 2. The library shows what was given between quotation marks, and nowhere else."""
        super().error(QUOTED.sub("…", message))

    def understand(self, arguments: Sequence[str] | None) -> Namespace:
        """As ``parse_args``."""
        found, others = self.parse_known_args(arguments)
        if others:
            names = [other.split("=")[0] for other in others if other.startswith("--")]
            self.error(f"unknown arguments: {' '.join(names) or 'a word without an option'}")
        return found


def method(text: str) -> str:
    """Reads an HTTP method, which is case-sensitive: ``get`` is none."""
    if 1 <= len(text) <= LONGEST_METHOD and all(letter in METHOD_LETTERS for letter in text):
        return text
    raise ArgumentTypeError("expected an HTTP method in upper case")


def whole(least: int, most: int) -> Callable[[str], int]:
    """Reads a whole number within bounds."""

    def read(text: str) -> int:
        if text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most:
            return int(text)
        raise ArgumentTypeError(f"expected a whole number from {least} to {most}")

    return read
