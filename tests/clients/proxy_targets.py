"""What is asked through every proxy: targets of all kinds, and headers by which a client tries to be believed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from dataclasses import dataclass

from conftest import Countermark
from proxy_bench import Headers

HOST = "img.example.com"
ALLOWED = "ALLOWED"
# The proxy or the gate refuses, whichever looks first; nothing may reach the origin.
REFUSED = "REFUSED"


def sign(secret: str, placement: str, host: str, unsigned: str) -> str:
    """The signature over a target from which the signature itself is left out; written from the specification."""
    canonical = f"countermark-url-v1\n{placement}\n{host}\n{unsigned}"
    mac = hmac.new(secret.encode(), canonical.encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(mac).decode().rstrip("=")


@dataclass(frozen=True)
class Signer:
    """A token that signs, its secret in our own hands: unlike the service, it also signs what it should not."""

    token: str
    secret: str

    def by_path(self, rest: str, *, cloud: str = "shop", expires: str = "-", host: str = HOST, version: int = 1) -> str:
        """Path placement."""
        start = f"/{cloud}/s-cm1:{self.token}.{version},{expires},"
        return start + sign(self.secret, "path", host, f"{start}/{rest}") + f"/{rest}"

    def by_query(self, path_and_query: str, *, expires: str = "-", host: str = HOST) -> str:
        """Query placement."""
        joint = "&" if "?" in path_and_query else "?"
        start = f"{path_and_query}{joint}cm-token={self.token}.1&cm-expires={expires}&cm-signature="
        return start + sign(self.secret, "query", host, start)


@dataclass(frozen=True)
class Target:
    """One request target and what must come of it."""

    name: str
    target: str
    code: str
    # What the origin is asked for, if it is allowed.
    reaches: str = ""
    headers: tuple[tuple[str, str], ...] = ()
    token: str = ""


@dataclass(frozen=True)
class Tokens:
    """The tokens behind the targets."""

    open: Signer
    clouded: Signer
    disabled: Signer
    revoked: Signer
    spent: Signer
    viewer: Signer
    key: dict
    upload: dict

    @staticmethod
    def issue(countermark: Countermark) -> Tokens:
        """One of each kind."""

        def signer(**members: object) -> Signer:
            token = countermark.issue(type="imageUrl", owner="a shop", **members)
            return Signer(token["id"], token["extra"]["secret"])

        revoked = signer()
        assert countermark.call("DELETE", f"/v1/access-tokens/{revoked.token}").status_code == 204
        return Tokens(
            open=signer(),
            clouded=signer(extra={"cloudId": "warehouse"}),
            disabled=signer(enabled=False),
            revoked=revoked,
            spent=signer(limit=0),
            viewer=signer(extra={"authentication": {"visitor": "correct horse"}}),
            key=countermark.issue(type="apiKey", permissions=["read"], owner="a shop"),
            upload=countermark.issue(type="upload"),
        )


SIGNED_BY_PATH = {
    "plain": "i/cat.jpg",
    "transformation": "w:200,h:100/i/cat.jpg",
    "escaped slash": "a%2Fb.jpg",
    "two slashes": "a//b.jpg",
    "slash first": "/b.jpg",
    "slash last": "i/",
    "escaped space": "with%20space%20(1).jpg",
    "upper-case escapes": "caf%C3%A9.jpg",
    "lower-case escapes": "%e2%82%ac.jpg",
    "escapes that are not needed": "%41%2d%7e.jpg",
    "escaped backslash": "a%5Cb.jpg",
    "escaped percent sign": "%252e%252e/100%25.jpg",
    "escaped question mark and number sign": "a%3Fb%23c.jpg",
    "legal punctuation": "!$&'()*+,;=:@-._~",
    "dots that are no segments": ".../.hidden/a..b/c.",
    "colons and commas": "a:b,c/s-cm2:x/y",
    "deep": "a/" * 60 + "b.jpg",
    "long": "x" * 7000,
    "long, of escapes": "%C3%A9" * 1100,
    "query": "i/cat.jpg?w=200&h=100",
    "query of odd characters": "i/cat.jpg?a=b+c&d=%2B&e=1=2&f=/../g&h=?&i=https://x.example/y?z",
    "query of empty values": "i/cat.jpg?a=&b&=c&&d=",
    "query that is empty": "i/cat.jpg?",
    "query out of order": "i/cat.jpg?z=1&a=2&z=0",
}

SIGNED_BY_QUERY = {
    "plain": "/images/cat.jpg",
    "only a slash": "/",
    "two slashes": "//images//cat.jpg",
    "escaped slash": "/images/a%2Fb.jpg",
    "escapes": "/caf%c3%a9/%20%25.jpg",
    "legal punctuation": "/!$&'()*+,;=:@-._~",
    "own query": "/images/cat.jpg?w=200&h=100",
    "query of odd characters": "/images/cat.jpg?a=b+c&d=%2B&e=1=2&f=/../g&h=?&i=https://x.example/y?z",
    "query of empty values": "/images/cat.jpg?a=&b&=c&&d=",
    "query out of order": "/images/cat.jpg?z=1&a=2&z=0",
    "signature in the path": "/a&cm-token=x&cm-expires=-&cm-signature=y/b.jpg",
}

# Printable, but not for URLs. Signed as they are; a proxy that writes them otherwise must refuse them.
UNUSUAL = {"bars and braces": 'a|b{c}"d"<e>^`.jpg', "brackets": "a[1].jpg", "brackets beside escapes": "a[1]%2F.jpg"}

# Each carries a signature that fits.
MALFORMED_BY_PATH = {
    "two dots": "i/../x",
    "one dot": "i/./x",
    "escaped dots": "i/%2e%2e/x",
    "half escaped dots": "i/%2E./x",
    "dots before an escaped slash": "..%2Fshop/x",
    "dots before an escaped backslash": "i/..%5Cx",
    "everything escaped": "i/%2e%2e%2fx",
    "dots last": "i/x/..",
    "escaped dot last": "i/x/%2E",
    "backslash": "i\\x",
    "escaped zero": "i/a%00b",
    "zero in the query": "i/a?x=%00",
    "number sign": "i/a#b",
    "number sign in the query": "i/a?x#b",
    "no escape": "i/%zz",
    "half an escape": "i/%2",
    "no UTF-8": "i/%ff",
    "overlong UTF-8": "i/%c0%ae%c0%ae/x",
    "second segment": "s-cm1:iu_0000000000000000000000.1,-,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA/x",
    "segment of another form": "s-token2:a,b/x",
    "a parameter of ours": "i/x?cm-token=y",
    "an escaped parameter of ours": "i/x?a=1&cm%2Dexpires=3",
    "token beside a signature": "i/x?token=y",
    "only a query": "?x=1",
}


def changed(signed: str, place: int) -> str:
    """One character of the signature is another one."""
    return signed[:place] + ("A" if signed[place] != "A" else "B") + signed[place + 1 :]


def targets(tokens: Tokens) -> list[Target]:
    """Everything that is asked."""
    return [*allowed(tokens), *unusual(tokens), *malformed(tokens), *refused(tokens)]


def allowed(tokens: Tokens) -> list[Target]:
    """What must reach the origin, byte for byte."""
    signer, soon = tokens.open, str(int(time.time()) + 3600)
    by_path = [
        Target(f"path: {name}", signer.by_path(rest), ALLOWED, f"/shop/{rest}", token=signer.token)
        for name, rest in SIGNED_BY_PATH.items()
    ]
    by_query = [
        Target(f"query: {name}", signer.by_query(path), ALLOWED, path, token=signer.token)
        for name, path in SIGNED_BY_QUERY.items()
    ]
    absolute = f"http://{HOST}{signer.by_path('i/absolute.jpg?a=1')}"
    value, key = tokens.key["value"], tokens.key["id"]
    basic = base64.b64encode(b"visitor:correct horse").decode()
    return [
        *by_path,
        *by_query,
        Target("path: expires", signer.by_path("i", expires=soon), ALLOWED, "/shop/i", token=signer.token),
        Target("query: expires", signer.by_query("/i", expires=soon), ALLOWED, "/i", token=signer.token),
        Target("absolute form", absolute, ALLOWED, "/shop/i/absolute.jpg?a=1", token=signer.token),
        Target(
            "viewer's password",
            tokens.viewer.by_path("i"),
            ALLOWED,
            "/shop/i",
            (("Authorization", f"Basic {basic}"),),
            tokens.viewer.token,
        ),
        Target("key as Bearer", "/a//b%2Fc?d", ALLOWED, "/a//b%2Fc?d", (("Authorization", f"Bearer {value}"),), key),
        Target("key by header", "/a//b%2Fc?d", ALLOWED, "/a//b%2Fc?d", (("X-Custom-Auth-Key", value),), key),
        Target("key by parameter", f"/a?b=1&%74oken={value}&c=2", ALLOWED, "/a?b=1&c=2", token=key),
    ]


def unusual(tokens: Tokens) -> list[Target]:
    """What may be refused, but not changed."""
    signer = tokens.open
    return [
        Target(f"unusual: {name}", signer.by_path(rest), "UNUSUAL", f"/shop/{rest}", token=signer.token)
        for name, rest in UNUSUAL.items()
    ]


def malformed(tokens: Tokens) -> list[Target]:
    """What nobody should sign."""
    signer = tokens.open
    both = signer.by_query(signer.by_path("i/x"))
    long = signer.by_path("x" * 9000)
    return [
        *(Target(f"malformed: {name}", signer.by_path(rest), REFUSED) for name, rest in MALFORMED_BY_PATH.items()),
        Target("malformed: dots before the query", signer.by_query("/i/../x"), REFUSED),
        Target("malformed: both placements", both, REFUSED),
        Target("malformed: too long", long, REFUSED),
        Target("malformed: no cloud", signer.by_path("i/x", cloud="a.b"), REFUSED),
    ]


def refused(tokens: Tokens) -> list[Target]:
    """What is well-formed and yet refused, with the code that says why."""
    signer = tokens.open
    by_path, by_query = signer.by_path("i/cat.jpg"), signer.by_query("/i/cat.jpg?w=1")
    unknown = Signer("iu_0000000000000000000001", signer.secret)
    twice = f"/a?token={tokens.key['value']}&token={tokens.key['value']}"
    return [
        Target("nothing signed", "/shop/i/cat.jpg", "NO_CREDENTIAL"),
        Target("changed signature, path", changed(by_path, by_path.index(",-,") + 10), "BAD_SIGNATURE"),
        Target("changed signature, query", changed(by_query, len(by_query) - 10), "BAD_SIGNATURE"),
        Target("changed path", by_path.replace("cat", "dog"), "BAD_SIGNATURE"),
        Target("added query", f"{by_path}?w=1", "BAD_SIGNATURE"),
        Target("added slash", by_path.replace("/i/", "//i/"), "BAD_SIGNATURE"),
        Target("other spelling", by_path.replace("cat", "%63at"), "BAD_SIGNATURE"),
        Target("changed cloud", by_path.replace("/shop/", "/store/"), "BAD_SIGNATURE"),
        Target("other version", signer.by_path("i", version=2), "BAD_SIGNATURE"),
        Target("other host", signer.by_path("i", host="other.example.com"), "BAD_SIGNATURE"),
        Target("unknown token", unknown.by_path("i"), "UNKNOWN_TOKEN"),
        Target("link has expired, path", signer.by_path("i", expires="1700000000"), "LINK_EXPIRED"),
        Target("link has expired, query", signer.by_query("/i", expires="1700000000"), "LINK_EXPIRED"),
        Target("wrong cloud", tokens.clouded.by_path("i"), "WRONG_CLOUD"),
        Target("disabled", tokens.disabled.by_path("i"), "DISABLED"),
        Target("revoked", tokens.revoked.by_path("i"), "REVOKED"),
        Target("spent", tokens.spent.by_path("i"), "LIMIT_REACHED"),
        Target("no password", tokens.viewer.by_path("i"), "AUTHENTICATION_REQUIRED"),
        Target("foreign key", "/a", "UNKNOWN_TOKEN", headers=(("Authorization", "Bearer 0123456789abcdef"),)),
        Target("token twice", twice, REFUSED),
    ]


@dataclass(frozen=True)
class Spoof:
    """Headers that a client adds."""

    name: str
    headers: tuple[tuple[str, str], ...]
    # Some server on the way may refuse such a request altogether.
    may_refuse: bool = False


def spoofs(tokens: Tokens) -> list[Spoof]:
    """Headers by which a client tries to be someone else, or to have asked for something else."""
    good = tokens.open.by_path("i/cat.jpg")
    value = tokens.key["value"]

    def one(name: str, text: str, *, may_refuse: bool = False) -> Spoof:
        return Spoof(f"{name}: {text[:30]}", ((name, text),), may_refuse)

    return [
        Spoof("none", ()),
        one("X-Original-URI", good),
        one("X-Original-Method", "HEAD"),
        one("X-Original-Host", "other.example.com"),
        one("X_Original_URI", good, may_refuse=True),
        one("X-Forwarded-Uri", good),
        one("X-Forwarded-Method", "HEAD"),
        one("X-Forwarded-Host", "other.example.com"),
        one("X-Forwarded-For", "127.0.0.1"),
        one("X-Forwarded-Proto", "gopher"),
        one("X-Forwarded-Prefix", "/v1/access-tokens"),
        one("X_Forwarded_Uri", good, may_refuse=True),
        one("Forwarded", "for=127.0.0.1;host=other.example.com"),
        one("X-Real-IP", "127.0.0.1"),
        one("X-HTTP-Method-Override", "HEAD"),
        one("X-Rewrite-URL", "/other"),
        one("X-Original-URL", "/other"),
        one("X-Countermark-Token-Id", "iu_forged"),
        one("X-Countermark-Code", "forged"),
        one("X-Countermark-Owner", "forged"),
        one("X-Countermark-Remaining", "forged"),
        one("X-Countermark-Cache-Control", "public, max-age=1, forged"),
        one("X-Countermark-Anything", "forged"),
        one("X-Countermark-Gate-Secret", "forged-forged-forged"),
        one("X_Countermark_Token_Id", "forged", may_refuse=True),
        one("x-countermark_token-id", "forged", may_refuse=True),
        one("X-Countermark.Token-Id", "forged", may_refuse=True),
        one("X.Countermark.Token.Id", "forged", may_refuse=True),
        one("Connection", "X-Countermark-Token-Id", may_refuse=True),
        one("Connection", "close, X-Original-URI, X-Forwarded-Uri, X-Forwarded-Method", may_refuse=True),
        one("Content-Length", "0"),
        one("Host", "other.example.com", may_refuse=True),
        Spoof("two Authorization", (("Authorization", f"Bearer {value}"), ("Authorization", "Basic eDp5")), True),
        Spoof("two keys", (("X-Custom-Auth-Key", value), ("X-Custom-Auth-Key", "other")), True),
        Spoof("two X-Forwarded-Uri", (("X-Forwarded-Uri", good), ("X-Forwarded-Uri", "/x")), True),
        Spoof("two token ids", (("X-Countermark-Token-Id", "iu_forged"), ("x-countermark-token-id", "forged"))),
    ]


def raw_headers(target: Target, spoof: Spoof) -> Headers:
    """The spoof around the target's own headers."""
    return [*spoof.headers, *target.headers]
