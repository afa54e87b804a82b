"""Tokens for the tests of the integrations."""

from __future__ import annotations

from countermark import Client, Issued, Signer


def signer_of(issued: Issued) -> Signer:
    """Signs with the token's secret, for any host."""
    assert issued.secret is not None and issued.key_version is not None
    return Signer(issued.token.id, {issued.key_version: issued.secret})


def link(issued: Issued, path: str, *, expires_in: int | None = None, expires: int | None = None) -> str:
    """A signed target at 127.0.0.1, its signature in the query."""
    url = f"http://127.0.0.1{path}"
    signed = signer_of(issued).sign(url, placement="query", expires_in=expires_in, expires=expires)
    return signed.removeprefix("http://127.0.0.1")


def used(client: Client, issued: Issued) -> int:
    """Uses that the service has counted."""
    return client.view(issued.token.id).used
