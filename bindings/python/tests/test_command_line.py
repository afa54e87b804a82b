"""`python -m countermark`, run as a program, alone and beside the service's own command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from countermark import Signer
from running_service import binary
from token_records import IMAGE_ID, SECRET, image_record

URL = "https://img.example.com/shop/i/cat.jpg"
FAR = 4_000_000_000
LINK = Signer(IMAGE_ID, SECRET).sign(URL, expires=FAR)
EXPIRED = Signer(IMAGE_ID, SECRET).sign(URL, expires=1)
IN_ENVIRONMENT = {"COUNTERMARK_SIGNING_SECRET": SECRET}


class Outcome:
    """What a program has answered."""

    def __init__(self, command: list[str], environment: Mapping[str, str]) -> None:
        kept = {name: text for name, text in os.environ.items() if not name.startswith("COUNTERMARK")}
        run = subprocess.run(
            command,
            env={**kept, **environment},
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )
        self.exit_code, self.out, self.err = run.returncode, run.stdout, run.stderr

    @property
    def json(self) -> Any:
        return json.loads(self.out)


def countermark(*arguments: str, environment: Mapping[str, str] = IN_ENVIRONMENT) -> Outcome:
    return Outcome([sys.executable, "-W", "error", "-m", "countermark", *arguments], environment)


def service_binary(*arguments: str) -> Outcome:
    return Outcome([str(binary()), *arguments], IN_ENVIRONMENT)


@pytest.fixture
def secret_file(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text(SECRET + "\n")
    return file


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--expires", str(FAR)],
        ["--expires", str(FAR - 1), "--bucket", "600"],
        ["--placement", "query"],
        ["--placement", "query", "--key-version", "7", "--expires", "1"],
    ],
)
def test_both_command_lines_sign_alike(options: list[str]) -> None:
    arguments = ["sign", "--url", URL, "--token", IMAGE_ID, *options]
    here, there = countermark(*arguments), service_binary(*arguments)
    assert (here.exit_code, here.out, here.err) == (there.exit_code, there.out, there.err)
    assert here.out.startswith("https://img.example.com/shop/")


@pytest.mark.parametrize("placement", ["path", "query"])
def test_what_the_services_command_line_signs_verifies_here(placement: str) -> None:
    options = ["--token", IMAGE_ID, "--ttl", "3600", "--placement", placement, "--json"]
    link = service_binary("sign", "--url", URL, *options).json["url"]
    facts = countermark("verify", "--url", link, "--json").json
    assert (facts["tokenId"], facts["placement"], facts["path"]) == (IMAGE_ID, placement, "/shop/i/cat.jpg")


def test_a_time_to_live_ends_the_link() -> None:
    ended = countermark("sign", "--url", URL, "--token", IMAGE_ID, "--ttl", "0").out.strip()
    assert countermark("verify", "--url", ended).err.startswith("countermark: LINK_EXPIRED")


@pytest.mark.parametrize(
    "options",
    [
        ["--url", LINK, "--token", IMAGE_ID],
        ["--url", "ftp://x", "--token", IMAGE_ID],
    ],
)
def test_both_command_lines_refuse_to_sign_alike(options: list[str]) -> None:
    here, there = countermark("sign", *options), service_binary("sign", *options)
    assert (here.exit_code, here.out, here.err) == (there.exit_code, there.out, there.err)
    assert here.exit_code == 1
    assert countermark("--json", "sign", *options).err == service_binary("--json", "sign", *options).err or (
        json.loads(countermark("--json", "sign", *options).err)
        == json.loads(service_binary("--json", "sign", *options).err)
    )


def test_verify_prints_the_facts() -> None:
    outcome = countermark("verify", "--url", LINK)
    assert outcome.exit_code == 0
    assert [line.split(maxsplit=1) for line in outcome.out.splitlines()] == [
        ["tokenId", IMAGE_ID],
        ["keyVersion", "1"],
        ["placement", "path"],
        ["host", "img.example.com"],
        ["cloudId", "shop"],
        ["path", "/shop/i/cat.jpg"],
        ["expires", str(FAR)],
    ]


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (["--url", LINK + "x"], "BAD_SIGNATURE"),
        (["--url", LINK, "--key-version", "2"], "BAD_SIGNATURE"),
        (["--url", LINK, "--token", "iu_034YCGMODo7rNXJe1rD0In"], "UNKNOWN_TOKEN"),
        (["--url", LINK, "--method", "POST"], "METHOD_DENIED"),
        (["--url", EXPIRED], "LINK_EXPIRED"),
        (["--url", URL], "MALFORMED"),
    ],
)
def test_verify_refuses_by_its_exit_code_and_says_why(options: list[str], code: str) -> None:
    outcome = countermark("verify", *options)
    assert (outcome.exit_code, outcome.out) == (1, "")
    assert outcome.err.startswith(f"countermark: {code}: ")
    told = json.loads(countermark("verify", *options, "--json").err)
    assert (told["error"], told["code"]) == ("refused", code)


def test_explain_prints_the_trace_and_what_was_signed() -> None:
    outcome = countermark("explain", "--url", EXPIRED)
    assert (outcome.exit_code, outcome.err) == (0, "")
    assert outcome.out.startswith("refused: LINK_EXPIRED\ntokenId  iu_")
    trace = [line.split() for line in outcome.out.splitlines()]
    assert ["BAD_SIGNATURE", "passed"] in trace
    assert ["LINK_EXPIRED", "refused"] in trace
    assert ["LIMIT_REACHED", "notReached"] in trace
    assert "\n    countermark-url-v1\n    path\n    img.example.com\n    /shop/s-cm1:" in outcome.out
    signature = EXPIRED.split(",")[2].split("/")[0]
    assert signature not in outcome.out


def test_explain_decides_by_the_record(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    users = {"alice": {"scheme": "argon2id"}}
    record.write_text(json.dumps(image_record(limit=5, used=5, extra={"authentication": users})))
    options = ["--url", LINK, "--record", str(record), "--json"]
    told = countermark("explain", *options).json
    assert (told["allowed"], told["code"], told["limit"]) == (False, "AUTHENTICATION_REQUIRED", 5)
    assert {"code": "BAD_SIGNATURE", "outcome": "passed"} in told["steps"]
    assert (told["form"], told["canonicalString"][:18]) == ("cm1", "countermark-url-v1")
    assert countermark("explain", *options, "--viewer-proven").json["code"] == "LIMIT_REACHED"


def test_explain_says_what_breaks_the_grammar() -> None:
    told = countermark("explain", "--url", URL, "--json")
    assert told.exit_code == 0
    assert (told.json["code"], told.json["differs"]) == ("MALFORMED", ["the URL is not signed"])


def test_the_secret_comes_from_a_file_or_the_environment(secret_file: Path) -> None:
    assert (
        countermark("verify", "--url", LINK, "--secret-file", str(secret_file), environment={}).exit_code == 0
    )
    by_name = {"COUNTERMARK_SIGNING_SECRET_FILE": str(secret_file)}
    assert countermark("verify", "--url", LINK, environment=by_name).exit_code == 0
    assert countermark("verify", "--url", LINK, environment={**by_name, **IN_ENVIRONMENT}).exit_code == 2
    assert countermark("verify", "--url", LINK, environment={}).exit_code == 2
    empty = {"COUNTERMARK_SIGNING_SECRET": "", **by_name}
    assert countermark("verify", "--url", LINK, environment=empty).exit_code == 0


def test_a_file_that_cannot_be_read_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    missing = str(tmp_path / "missing")
    assert countermark("verify", "--url", LINK, "--secret-file", missing).exit_code == 3
    assert countermark("explain", "--url", LINK, "--record", missing).exit_code == 3
    bytes_file = tmp_path / "bytes"
    bytes_file.write_bytes(b"canary\xff" * 10)
    outcome = countermark("verify", "--url", LINK, "--secret-file", str(bytes_file), "--json")
    assert (outcome.exit_code, json.loads(outcome.err)["error"]) == (3, "unreachable")
    assert "canary" not in outcome.err


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["sign", "--url", URL],
        ["sign", "--url", URL, "--token", "nonsense"],
        ["sign", "--url", URL, "--token", IMAGE_ID, "--expires", "1", "--ttl", "1"],
        ["sign", "--url", URL, "--token", IMAGE_ID, "--expires", "253402300800"],
        ["sign", "--url", URL, "--token", IMAGE_ID, "--key-version", "0"],
        ["sign", "--url", URL, "--token", IMAGE_ID, "--placement", "header"],
        ["explain", "--url", LINK, "--method", "get"],
        ["verify", "--url", LINK, "--method", "get"],
        ["verify", "--ur", LINK],
    ],
)
def test_wrong_usage_ends_with_2(arguments: list[str]) -> None:
    outcome = countermark(*arguments)
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert "Traceback" not in outcome.err


def test_a_record_that_cannot_be_read_is_wrong_usage(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    for content, said in [
        ("{", "JSON"),
        ("[]", "object"),
        (json.dumps(image_record(expiry="soon")), "--record.expiry: expected"),
    ]:
        record.write_text(content)
        outcome = countermark("explain", "--url", LINK, "--record", str(record))
        assert outcome.exit_code == 2
        assert said in outcome.err


def test_a_secret_among_the_arguments_is_neither_taken_nor_repeated() -> None:
    for arguments in (["--secret", SECRET], [f"--secret={SECRET}"], [SECRET]):
        outcome = countermark("verify", "--url", LINK, *arguments, environment={})
        assert outcome.exit_code == 2
        assert SECRET not in outcome.err


def test_a_bad_secret_is_named_and_not_shown() -> None:
    outcome = countermark("verify", "--url", LINK, environment={"COUNTERMARK_SIGNING_SECRET": "canary"})
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert outcome.err.startswith("countermark: signing secret: expected a secret of 32 to 256 bytes")
    assert "canary" not in outcome.err


def test_no_argument_is_repeated_even_where_the_wrong_one_is_named() -> None:
    for arguments in (
        [SECRET],
        [f"--json={SECRET}", "verify", "--url", LINK],
        ["sign", "--url", URL, "--token", IMAGE_ID, "--placement", SECRET],
        ["sign", "--url", URL, "--token", IMAGE_ID, "--placement", "it's a \"" + SECRET],
        ["verify", "--url", LINK, f"-h{SECRET}"],
        ["verify", "--url", LINK, "--method", SECRET],
    ):
        outcome = countermark(*arguments, environment={})
        assert outcome.exit_code == 2
        assert SECRET not in outcome.err
        assert SECRET not in outcome.out


def test_a_link_of_another_type_is_refused_and_explained() -> None:
    link = LINK.replace("iu_", "up_")
    outcome = countermark("verify", "--url", link)
    assert outcome.exit_code == 1
    assert outcome.err.startswith("countermark: WRONG_TYPE: ")
    explained = countermark("explain", "--url", link, "--json")
    assert (explained.exit_code, explained.json["allowed"], explained.json["code"]) == (
        0,
        False,
        "WRONG_TYPE",
    )


def test_a_record_nested_without_end_is_wrong_usage(tmp_path: Path) -> None:
    record = tmp_path / "record.json"
    record.write_text("[" * 200_000)
    outcome = countermark("explain", "--url", LINK, "--record", str(record))
    assert (outcome.exit_code, outcome.out) == (2, "")
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize("redirection", [">/dev/full", ">&-"])
def test_an_answer_that_cannot_be_written_has_the_exit_code_of_files(redirection: str) -> None:
    command = f'"$0" -m countermark verify --url "$1" {redirection}'
    outcome = Outcome(["/bin/sh", "-c", command, sys.executable, LINK], IN_ENVIRONMENT)
    assert outcome.exit_code == 3
    assert outcome.err.startswith("countermark: the answer cannot be written")
    assert outcome.err.count("\n") == 1
    nothing = Outcome(["/bin/sh", "-c", command + " 2>&-", sys.executable, LINK], IN_ENVIRONMENT)
    assert nothing.exit_code == 3
