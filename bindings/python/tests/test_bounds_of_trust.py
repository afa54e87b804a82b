"""What claims to be more than it is: lengths, records, values and modules that do not keep their word."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from countermark import (
    Request,
    Signer,
    Token,
    TokenValue,
    UploadDirectives,
    UploadParameters,
    VerifiedUrl,
)
from countermark.errors import CountingRequired, InvalidArgument
from token_records import (
    IMAGE_ID,
    NOW,
    SECRET,
    UPLOAD_VALUE,
    VALUE,
    image_record,
    key_record,
    upload_record,
)

URL = "https://img.example.com/shop/i/cat.jpg"
VALUE_OF = {upload_record: UPLOAD_VALUE, key_record: VALUE}
HERE = Path(__file__).parent


class Lying(Sequence[str]):
    """Claims any length and holds three URLs."""

    def __init__(self, length: int) -> None:
        self.length = length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, index: Any) -> Any:
        return [URL, URL + "1", URL + "2"][index]  # pyright: ignore[reportUnknownVariableType]


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("length", [0, 2, 2**40, 2**62])
def test_a_batch_counts_its_texts_itself(length: int) -> None:
    program = (
        "from test_bounds_of_trust import *; s = Signer(IMAGE_ID, SECRET); "
        f"links = s.sign_many(Lying({length})); assert len(links) == 3; "
        f"assert len(s.verify_many(Lying({length}))) == 3"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, cwd=HERE
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_huge_range_is_no_batch_of_texts() -> None:
    program = (
        "from countermark import Signer\n"
        f"try: Signer('{IMAGE_ID}', 'x' * 32).sign_many(range(10**15))\n"
        "except TypeError: print('refused')"
    )
    done = run(program)
    assert (done.returncode, done.stdout) == (0, "refused\n")


@pytest.mark.parametrize("threads", [True, False, None, "1", 1.0])
def test_threads_are_a_number(threads: Any) -> None:
    signer = Signer(IMAGE_ID, SECRET)
    with pytest.raises(TypeError, match="threads"):
        signer.sign_many([URL], threads=threads)
    with pytest.raises(TypeError, match="threads"):
        signer.verify_many([URL], threads=threads)


def test_a_method_with_a_lone_surrogate_is_named() -> None:
    signer = Signer(IMAGE_ID, SECRET)
    link = signer.sign(URL)
    for call in (signer.verify, signer.validate):
        with pytest.raises(InvalidArgument, match="method: expected text"):
            call(link, method="\udcff")
    with pytest.raises(InvalidArgument, match="method: expected text"):
        signer.verify_many([link], method="\udcff")


def test_a_value_must_be_the_one_that_the_record_previews() -> None:
    own = TokenValue.parse(VALUE)
    record = key_record(preview=VALUE[:15])
    assert own.preview == VALUE[:15]
    token = Token(record, value=VALUE)
    assert pickle.loads(pickle.dumps(token)).decide(value=VALUE, request=Request(permission="read"))
    with pytest.raises(InvalidArgument, match="value: expected") as wrong:
        Token(record, value="guest-4711")
    assert "guest" not in str(wrong.value)
    with pytest.raises(InvalidArgument, match="value: expected"):
        Token(key_record(preview="guest-"), value=VALUE)
    with pytest.raises(InvalidArgument, match="record.preview"):
        Token(key_record(preview=7), value=VALUE)


def test_a_value_of_another_type_is_none_of_this_token() -> None:
    with pytest.raises(InvalidArgument, match="value: expected a value of the type"):
        Token(upload_record(), value=VALUE)


def test_the_value_of_a_record_and_the_given_one_are_the_same() -> None:
    Token(key_record(value=VALUE), value=VALUE)
    with pytest.raises(InvalidArgument, match="value: expected") as wrong:
        Token(key_record(value="guest-4711"), value=VALUE)
    assert VALUE not in str(wrong.value) and "guest" not in str(wrong.value)


OF_ALL = ["enabled", "notBefore", "expiry", "limit", "used", "dialect", "revokedAt"]
OF_IMAGE = ["counting", "countWindow", "secretVersions", "legacySignatures", "extra"]
OF_KEY = ["permissions", "basePath", "storages", "clouds"]
OF_IMAGE_EXTRA = ["cloudId", "hosts", "authentication"]
OF_UPLOAD_EXTRA = [
    "cloudId",
    "publicId",
    "minBytes",
    "maxBytes",
    "mimeTypes",
    "publicIdPrefix",
    "insertOnly",
]


@pytest.mark.parametrize(
    ("record", "place"),
    [
        *((image_record, [name]) for name in OF_ALL + OF_IMAGE),
        *((image_record, ["extra", name]) for name in OF_IMAGE_EXTRA),
        *((upload_record, [name]) for name in [*OF_ALL, "extra"]),
        *((upload_record, ["extra", name]) for name in OF_UPLOAD_EXTRA),
        *((key_record, [name]) for name in OF_ALL + OF_KEY),
    ],
)
def test_a_record_must_name_every_restriction(record: Any, place: list[str]) -> None:
    whole = record()
    known: dict[str, Any] = {"secrets": SECRET} if record is image_record else {"value": VALUE_OF[record]}
    Token(whole, **known)
    inner = whole
    for name in place[:-1]:
        inner = inner[name]
    del inner[place[-1]]
    with pytest.raises(InvalidArgument, match=r"record\." + r"\.".join(place) + ": expected"):
        Token(whole, **known)


def test_a_secret_version_must_say_until_when() -> None:
    with pytest.raises(InvalidArgument, match=r"secretVersions\[0\].verifyUntil"):
        Token(image_record(secretVersions=[{"version": 1, "state": "active"}]), secrets=SECRET)


@pytest.mark.parametrize("status", ["revoked", "disabled", "expired"])
def test_a_status_that_the_rest_does_not_bear_out_is_refused(status: str) -> None:
    with pytest.raises(InvalidArgument, match=r"record.status: expected"):
        Token(key_record(status=status), value=VALUE)
    borne_out: dict[str, Any] = {"revokedAt": 1, "enabled": False, "expiry": 1}
    assert Token(key_record(status=status, **borne_out), value=VALUE)


def test_a_copy_of_the_arguments_does_not_change_a_token() -> None:
    token = Token(image_record(extra={"hosts": ["a.example"]}), secrets=SECRET)
    arguments: Any = token.__reduce_ex__(2)[1]
    handed_out: Any = token.__getnewargs_ex__()[0][0]
    handed_out["extra"]["hosts"].clear()
    handed_out["enabled"] = False
    assert arguments
    link = Signer(IMAGE_ID, SECRET).sign(URL)
    assert pickle.loads(pickle.dumps(token)).decide(url=link).code == "WRONG_HOST"


class Twice(Mapping[str, Any]):
    """Names one member twice."""

    def __init__(self, members: dict[Any, Any], name: Any, value: object) -> None:
        self.members, self.again = members, (name, value)

    def __getitem__(self, name: str) -> Any:
        return self.members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.members)

    def __len__(self) -> int:
        return len(self.members)

    def items(self) -> Any:
        return [*self.members.items(), self.again]


class OtherText(str):
    """Equal to none."""

    def __eq__(self, other: object) -> bool:
        return False

    def __hash__(self) -> int:
        return 7


def test_a_mapping_that_names_a_member_twice_is_refused() -> None:
    with pytest.raises(InvalidArgument, match=r"record.enabled: expected this member once"):
        Token(Twice(key_record(enabled=False), "enabled", True), value=VALUE)
    with pytest.raises(InvalidArgument, match=r"record.enabled: expected this member once"):
        Token({**key_record(enabled=False), OtherText("enabled"): True}, value=VALUE)
    with pytest.raises(InvalidArgument, match=r"record.extra.hosts: expected this member once"):
        Token(image_record(extra={OtherText("hosts"): []}), secrets=SECRET)
    with pytest.raises(InvalidArgument, match=r"secrets\[1\]: expected this version once"):
        Signer(IMAGE_ID, Twice({1: SECRET}, 1, SECRET[::-1]))  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("method", 32),
        ("cloud_id", 64),
        ("path", 8192),
        ("destination", 8192),
        ("permission", 128),
        ("storage", 128),
        ("content_type", 255),
        ("public_id", 1024),
    ],
)
def test_a_fact_that_the_service_would_not_take_is_no_question(name: str, most: int) -> None:
    token = Token(key_record(permissions=["*"]), value=VALUE)
    letter = "A" if name == "method" else "a"
    facts: dict[str, Any] = {"permission": "read", name: letter * most}
    assert token.decide(value=VALUE, request=Request(**facts))
    facts[name] += letter
    with pytest.raises(InvalidArgument, match=f"request.{name}: expected"):
        token.decide(value=VALUE, request=Request(**facts))


@pytest.mark.parametrize("address", ["localhost", "", "203.0.113.7:80", "1.2.3", "::g"])
def test_the_address_of_the_client_is_an_address(address: str) -> None:
    token = Token(key_record(), value=VALUE)
    with pytest.raises(InvalidArgument, match=r"request.client_ip: expected"):
        token.decide(value=VALUE, request=Request(permission="read", client_ip=address))
    for good in ("203.0.113.7", "2001:db8::1"):
        assert token.decide(value=VALUE, request=Request(permission="read", client_ip=good))


def test_a_url_longer_than_the_service_takes_is_malformed() -> None:
    host = "a" * 8000
    with pytest.raises(InvalidArgument, match="8500 bytes"):
        Signer(IMAGE_ID, SECRET).sign(f"https://{host}/shop/{'b' * 600}")
    link = Signer(IMAGE_ID, SECRET).sign(URL)
    moved = link.replace("img.example.com", "a" * 8500)
    decision = Token(image_record(), secrets=SECRET).decide(url=moved)
    assert decision.code == "MALFORMED"


def test_only_a_verdict_that_could_allow_is_left_to_the_service() -> None:
    asked = Request(method="PATCH", upload_id="upl_034YCGMODo7rNXJe1rD0Im", cloud_id="other")
    token = Token(upload_record(extra={"cloudId": "shop"}), value=UPLOAD_VALUE)
    assert not token.decide(value=UPLOAD_VALUE, request=asked)
    within = Request(method="PATCH", upload_id="upl_034YCGMODo7rNXJe1rD0Im", cloud_id="shop")
    with pytest.raises(CountingRequired):
        token.decide(value=UPLOAD_VALUE, request=within)


def test_a_verified_url_is_the_same_whoever_has_verified_it() -> None:
    link = Signer(IMAGE_ID, SECRET).sign(URL)
    one = Signer(IMAGE_ID, SECRET).verify(link)
    other = Signer(IMAGE_ID, SECRET, host="img.example.com").verify(OtherText(link))
    assert one == other
    assert hash(one) == hash(other)
    assert len({one, other}) == 1
    bare = Signer(IMAGE_ID, SECRET, host="img.example.com")
    target = bare.sign("/shop/i/cat.jpg")
    elsewhere = Signer(IMAGE_ID, SECRET, host="other.example.com")
    moved = elsewhere.verify(elsewhere.sign("/shop/i/cat.jpg"))
    assert bare.verify(target) == bare.verify(target) != moved
    restored: VerifiedUrl = pickle.loads(pickle.dumps(bare.verify(target)))
    assert restored == bare.verify(target)


@pytest.mark.parametrize("query", ["", "w=200", "w=200&h=%20", "a=xcm-token=y&b", "a?b"])
@pytest.mark.parametrize("placement", ["path", "query"])
def test_the_query_is_told_without_the_signature(query: str, placement: Any) -> None:
    signer = Signer(IMAGE_ID, SECRET, placement=placement)
    url = f"{URL}?{query}" if query else URL
    assert signer.verify(signer.sign(url, expires=NOW), now=0).query == query


def test_what_an_upload_gets_is_asked_for_by_parameters() -> None:
    directives = UploadDirectives(add_tags=["a"])
    with pytest.raises(InvalidArgument, match="tags"):
        directives.apply(tags="cat")
    with pytest.raises(InvalidArgument, match="asked: expected UploadParameters"):
        directives.apply({"tags": ["cat"]})  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    assert directives.apply(tags=["cat"]).tags == ("cat", "a")
    for wrong in ({"cloud_id": 5}, {"public_id": b"x"}, {"tags": [1]}, {"tags": 7}, {"format": True}):
        (name,) = wrong
        with pytest.raises(InvalidArgument, match=rf"{name}(\[0\])?: expected"):
            UploadParameters(**wrong)  # pyright: ignore[reportArgumentType]
    with pytest.raises(InvalidArgument, match="insert_only: expected"):
        UploadDirectives(insert_only=None)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


SUBINTERPRETER = """
import sys
{first}
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
program = '''
import sys
sys.path[:] = {path!r}
try:
    import countermark
except ImportError as error:
    sys.exit(0 if any(word in str(error) for word in ("one interpreter", "subinterpreters")) else str(error))
raise SystemError("it was imported")
'''
made = interpreters.create()
try:
    interpreters.run_string(made, program)
except Exception as failure:
    assert "SystemExit" in str(failure) and "0" in str(failure), failure
    print("refused")
"""


def test_a_second_interpreter_of_the_process_is_refused() -> None:
    done = run(SUBINTERPRETER.format(first="import countermark", path=sys.path))
    assert (done.returncode, done.stdout) == (0, "refused\n"), done.stderr


WITHOUT_HTTP = "import sys; sys.modules['httpx2'] = None; import countermark, inspect\n"


@pytest.mark.parametrize(
    "program",
    [
        "from countermark import *\nassert Signer and Request",
        "assert 'Signer' in dict(inspect.getmembers(countermark))",
        "try: from countermark import Client\n"
        "except ImportError as e: assert 'countermark[http]' in str(e), e\n"
        "else: raise SystemError",
    ],
)
def test_without_the_http_library_the_rest_is_whole(program: str) -> None:
    done = run(WITHOUT_HTTP + program)
    assert (done.returncode, done.stderr) == (0, "")
