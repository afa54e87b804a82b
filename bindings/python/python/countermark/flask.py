"""Flask: ``@require_token("photos:read")`` below ``@app.route``.

Needs ``pip install countermark[flask]``. ``Countermark(app)`` holds the client, from ``COUNTERMARK_URL`` and
``COUNTERMARK_KEY`` of the application's configuration or of the environment. What was decided is in
``flask.g.countermark``. Behind a proxy, werkzeug's ``ProxyFix`` says what of its headers is trusted.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import wraps
from threading import Lock
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar, cast
from weakref import finalize

from flask import Flask, Response, abort, after_this_request, current_app, g, request
from werkzeug.exceptions import HTTPException

from countermark._native import VerifiedUrl
from countermark.decision import Decision
from countermark.errors import CountermarkError
from countermark.web import (
    PREFLIGHT_HEADERS,
    PREFLIGHT_STATUS,
    Demand,
    Keeping,
    Original,
    Refusal,
    Signers,
    TokenType,
    verify_link,
)

if TYPE_CHECKING:
    from countermark import Client

__all__ = ["Countermark", "TokenRefused", "require_signed_url", "require_token"]

_EXTENSION = "countermark"

Parameters = ParamSpec("Parameters")
Answer = TypeVar("Answer")


class TokenRefused(HTTPException):
    """The request may not go on: answered as ``application/problem+json``, or by an ``errorhandler`` for
    it."""

    def __init__(self, refusal: Refusal) -> None:
        answer = Response(
            json.dumps(refusal.problem),
            refusal.status,
            headers=refusal.headers,
            content_type="application/problem+json",
        )
        super().__init__(refusal.detail, response=answer)
        self.code = refusal.status
        self.refusal = refusal


class Countermark:
    """The extension: each application has a client, made when it is first needed, in the process that needs
    it."""

    def __init__(self, app: Flask | None = None, *, client: Client | None = None) -> None:
        """With `client`, this one is asked instead of one from the configuration."""
        self._client = client
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        """Registers with the application. The configuration is read when the service is first asked."""
        app.extensions[_EXTENSION] = _Held(self._client)

    @property
    def client(self) -> Client:
        """The client of the current application.

        Raises:
            InvalidArgument: if neither the configuration nor the environment names service and key.
        """
        return _client()


def require_token(
    permission: str | None = None,
    *,
    storage: str | None = None,
    cloud_id: str | None = None,
    cost: int = 1,
    types: tuple[TokenType, ...] = ("apiKey",),
    reads_query: bool = False,
    reads_client_ip: bool = False,
    client: Client | None = None,
) -> Callable[[Callable[Parameters, Answer]], Callable[Parameters, Answer]]:
    """Lets a request pass to the view only with a token; the :class:`Decision` is in ``flask.g.countermark``.

    The service counts the use. A preflight needs no token, and is answered without the view. Stands below
    ``@app.route``.

    Args:
        permission: what an API key must be permitted; needed where `types` has ``apiKey``.
        storage: storage that the request is for.
        cloud_id: cloud that the request is for; that of a signed URL stands in the URL.
        cost: uses to take, all or none; 0 takes nothing.
        types: types of tokens that are let in. Upload tokens and signed URLs know no permission: each opens
            only what names its type here.
        reads_query: whether a value may also come as ``?token=``, which servers write into their access logs.
        reads_client_ip: whether the service is told the client's address, for count windows. It is the
            proxy's behind one, unless ``ProxyFix`` puts the client's in its place.
        client: the client to ask; that of the application's :class:`Countermark` if absent.

    Raises:
        InvalidArgument: for a demand that cannot be meant.
    """
    demand = Demand(permission, storage, cloud_id, cost, types, reads_query, reads_client_ip)

    def prove(original: Original) -> Decision:
        if original.is_preflight:
            abort(Response(status=PREFLIGHT_STATUS, headers=PREFLIGHT_HEADERS))
        return demand.decide(original, client or _client())

    return _proving(prove)


def require_signed_url(
    signers: Signers,
) -> Callable[[Callable[Parameters, Answer]], Callable[Parameters, Answer]]:
    """Verifies the request's own signed URL without network; the :class:`VerifiedUrl` is in
    ``flask.g.countermark``.

    Knows neither revocation nor limit: where these matter, use ``require_token(types=("imageUrl",))``.

    Args:
        signers: one token's signer, or those of several by token id.
    """
    return _proving(lambda original: verify_link(signers, original))


def _proving(
    prove: Callable[[Original], Decision | VerifiedUrl],
) -> Callable[[Callable[Parameters, Answer]], Callable[Parameters, Answer]]:
    def decorate(view: Callable[Parameters, Answer]) -> Callable[Parameters, Answer]:
        @wraps(view)
        def guarded(*arguments: Parameters.args, **named: Parameters.kwargs) -> Answer:
            try:
                original = _original()
                g.countermark = proven = prove(original)
            except CountermarkError as error:
                raise TokenRefused(Refusal.of(error)) from error
            _mark(Keeping.of(proven, original))
            # A view may be a coroutine function; Flask then sees it only through this one.
            return cast(Answer, current_app.ensure_sync(view)(*arguments, **named))

        return guarded

    return decorate


def _mark(keeping: Keeping) -> None:
    @after_this_request
    def marked(response: Response) -> Response:  # pyright: ignore[reportUnusedFunction]
        own = response.headers
        own.update(keeping.headers(own.getlist("Cache-Control"), own.getlist("Vary")))
        return response


class _Held:
    def __init__(self, client: Client | None) -> None:
        self._client = client
        self._lock = Lock()

    def client(self, app: Flask) -> Client:
        with self._lock:
            if self._client is None:
                from countermark import Client

                config = cast("dict[str, Any]", app.config)
                self._client = Client(config.get("COUNTERMARK_URL"), config.get("COUNTERMARK_KEY"))
                finalize(self, self._client.close)
            return self._client


def _client() -> Client:
    held: Any = current_app.extensions.get(_EXTENSION)
    if not isinstance(held, _Held):
        raise RuntimeError("no client: expected Countermark(app), or client=…")
    return held.client(current_app)


def _original() -> Original:
    return Original.of_environ(request.environ, host=request.host)
