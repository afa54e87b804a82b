"""FastAPI: ``Depends(require_token(permission="photos:read"))``.

Needs ``pip install countermark[fastapi]``. The application holds one client::

    app = FastAPI(lifespan=countermark.fastapi.lifespan())
    app.add_exception_handler(TokenRefused, refused)

What a route demands is decided before it runs, and a counted use is durable then. FastAPI reads a declared
body before it asks dependencies: a route that takes uploads is better off with ``Request.stream()``. A use
that was allowed is taken even if FastAPI then finds another parameter wrong and answers 422.

Signed URLs are verified as the client sent them, byte for byte, for the host in the ``Host`` header: where
several hosts reach the application, let Starlette's ``TrustedHostMiddleware`` say which are meant.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, HTTPException, Request, Response
from fastapi.openapi.models import APIKey, HTTPBase
from fastapi.openapi.models import SecurityBase as SecurityModel
from fastapi.responses import JSONResponse
from fastapi.security.base import SecurityBase
from starlette.datastructures import MutableHeaders

from countermark._native import VerifiedUrl
from countermark.decision import Decision
from countermark.errors import CountermarkError, InvalidArgument
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
    from countermark import AsyncClient
else:

    class AsyncClient:
        """FastAPI takes the arguments of a dependency from the request: those of `require_token` itself, if
        its call is forgotten, and then nothing would be demanded. It looks here what type they have."""

        @classmethod
        def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
            raise InvalidArgument('require_token: expected a call, as Depends(require_token("photos:read"))')


__all__ = ["TokenRefused", "lifespan", "refusal_responses", "refused", "require_signed_url", "require_token"]

_STATE = "countermark"
_KEEPING = "countermark.keeping"


class TokenRefused(HTTPException):
    """The request may not go on. Without :func:`refused`, FastAPI answers with the problem as ``detail``."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.status, detail=refusal.problem, headers=refusal.headers)
        self.refusal = refusal


async def refused(request: Request, error: Exception) -> JSONResponse:
    """The exception handler that answers :class:`TokenRefused` as ``application/problem+json``."""
    if not isinstance(error, TokenRefused):
        raise error
    refusal = error.refusal
    return JSONResponse(
        refusal.problem, refusal.status, headers=refusal.headers, media_type="application/problem+json"
    )


def lifespan(
    base_url: str | None = None, key: str | None = None, *, client: AsyncClient | None = None
) -> Callable[[Any], AbstractAsyncContextManager[dict[str, Any]]]:
    """The lifespan of an application that asks a service: opens a client, and closes it at the end.

    Within a lifespan of one's own: ``async with countermark.fastapi.lifespan()(app) as state: yield {**state,
    …}``.

    Args:
        base_url: the service; ``COUNTERMARK_URL`` if absent.
        key: an API key with the permission ``authorize``; ``COUNTERMARK_KEY`` if absent.
        client: one's own client instead, which stays open.

    Raises:
        InvalidArgument: at startup, if neither the arguments nor the environment name service and key.
    """

    @asynccontextmanager
    async def held(app: Any) -> AsyncGenerator[dict[str, Any], None]:
        with _marking(app):
            if client is not None:
                yield {_STATE: client}
                return
            from countermark import AsyncClient

            async with AsyncClient(base_url, key) as opened:
                yield {_STATE: opened}

    return held


def require_token(
    permission: str | None = None,
    *,
    storage: str | None = None,
    cloud_id: str | None = None,
    cost: int = 1,
    types: tuple[TokenType, ...] = ("apiKey",),
    reads_query: bool = False,
    reads_client_ip: bool = False,
    client: AsyncClient | None = None,
) -> Callable[..., Any]:
    """A dependency that lets a request pass only with a token, and gives its :class:`Decision` to the route.

    The service counts the use. Two equal demands in one request are one use. A preflight needs no token,
    and is answered without the route.

    Args:
        permission: what an API key must be permitted; needed where `types` has ``apiKey``.
        storage: storage that the request is for.
        cloud_id: cloud that the request is for; that of a signed URL stands in the URL.
        cost: uses to take, all or none; 0 takes nothing.
        types: types of tokens that are let in. Upload tokens and signed URLs know no permission: each opens
            only what names its type here.
        reads_query: whether a value may also come as ``?token=``, which servers write into their access logs.
        reads_client_ip: whether the service is told the client's address, for count windows. It is the
            proxy's behind one, unless the server puts the client's in its place (uvicorn:
            ``--proxy-headers --forwarded-allow-ips``).
        client: the client to ask; that of :func:`lifespan` if absent.

    Raises:
        InvalidArgument: for a demand that cannot be meant.
    """
    demand = Demand(permission, storage, cloud_id, cost, types, reads_query, reads_client_ip)
    return (
        _RequireTokenOrLink(demand, client) if "imageUrl" in demand.types else _RequireToken(demand, client)
    )


def require_signed_url(signers: Signers) -> Callable[..., Any]:
    """A dependency that verifies the request's own signed URL without network, and gives the
    :class:`VerifiedUrl`.

    Knows neither revocation nor limit: where these matter, use ``require_token(types=("imageUrl",))``.

    Args:
        signers: one token's signer, or those of several by token id.
    """
    return _RequireSignedUrl(signers)


class _Scheme(SecurityBase):
    """Describes a way of presenting a token in OpenAPI, and does nothing: all ways are read together."""

    def __init__(self, name: str, model: SecurityModel) -> None:
        self.scheme_name = name
        self.model = model

    async def __call__(self) -> None:
        pass


def _api_key(place: str, name: str, description: str) -> SecurityModel:
    # "in" is no name that Python allows for an argument.
    return APIKey.model_validate({"in": place, "name": name, "description": description})


_BEARER = _Scheme(
    "countermarkBearer",
    HTTPBase(
        scheme="bearer", description="A token value, `cmk_…` or `cmu_…`; also with the scheme `ApiKey`."
    ),
)
_BASIC = _Scheme(
    "countermarkBasic",
    HTTPBase(scheme="basic", description="User name and password are both the token value."),
)
_HEADER = _Scheme(
    "countermarkHeader",
    _api_key("header", "X-Custom-Auth-Key", "A token value."),
)
_SIGNED_URL = _Scheme(
    "countermarkSignedUrl",
    _api_key("query", "cm-signature", "The URL itself is signed (form `cm1`)."),
)


@dataclass(frozen=True)
class _RequireToken:
    demand: Demand
    client: AsyncClient | None = field(default=None, repr=False)

    async def __call__(
        self,
        request: Request,
        response: Response,
        bearer: Annotated[None, Depends(_BEARER)],
        basic: Annotated[None, Depends(_BASIC)],
        header: Annotated[None, Depends(_HEADER)],
    ) -> Decision:
        return await self.decide(request, response)

    async def decide(self, request: Request, response: Response) -> Decision:
        try:
            original = Original.of_scope(request.scope)
            if original.is_preflight:
                # FastAPI's own handler answers without a body, as the status demands.
                raise HTTPException(PREFLIGHT_STATUS, headers=PREFLIGHT_HEADERS)
            decision = await self.demand.decide_async(original, self.client or _client_of(request))
        except CountermarkError as error:
            raise TokenRefused(Refusal.of(error)) from error
        _mark(request, response, Keeping.of(decision, original))
        return decision


class _RequireTokenOrLink(_RequireToken):
    """Also says in OpenAPI that the URL itself may be signed."""

    async def __call__(
        self,
        request: Request,
        response: Response,
        bearer: Annotated[None, Depends(_BEARER)],
        basic: Annotated[None, Depends(_BASIC)],
        header: Annotated[None, Depends(_HEADER)],
        signed: Annotated[None, Depends(_SIGNED_URL)] = None,
    ) -> Decision:
        return await self.decide(request, response)


@dataclass(frozen=True, eq=False)
class _RequireSignedUrl:
    signers: Signers

    async def __call__(
        self, request: Request, response: Response, signed: Annotated[None, Depends(_SIGNED_URL)]
    ) -> VerifiedUrl:
        try:
            original = Original.of_scope(request.scope)
            verified = verify_link(self.signers, original)
        except CountermarkError as error:
            raise TokenRefused(Refusal.of(error)) from error
        _mark(request, response, Keeping.of(verified, original))
        return verified


def _mark(request: Request, response: Response, keeping: Keeping) -> None:
    """`response` is only merged into what FastAPI makes of a route's data; the rest goes by the scope."""
    holder = request.scope.get(_KEEPING)
    if holder is None:
        response.headers.update(keeping.headers([], []))
    else:
        holder.append(keeping)


@contextmanager
def _marking(app: Any) -> Generator[None, None, None]:
    """Starlette builds the stack of an application before it runs its lifespan."""
    inner = getattr(app, "middleware_stack", None)
    if inner is None:
        yield
        return
    app.middleware_stack = _Marking(inner)
    try:
        yield
    finally:
        app.middleware_stack = inner


class _Marking:
    """Marks the answers of all routes that demand something, also where they make them themselves."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        found: list[Keeping] = []

        async def marking(message: Any) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = list(message.get("headers", ()))
                headers = MutableHeaders(raw=message["headers"])
                for keeping in found:
                    headers.update(keeping.headers(headers.getlist("Cache-Control"), headers.getlist("Vary")))
            await send(message)

        # Mounted applications see the same list, even where they get another scope.
        await self._app({**scope, _KEEPING: found}, receive, marking)


def _client_of(request: Request) -> AsyncClient:
    client: AsyncClient | None = getattr(request.state, _STATE, None)
    if client is None:
        raise RuntimeError(
            "no client: expected FastAPI(lifespan=countermark.fastapi.lifespan()), or client=…"
        )
    return client


def _response(description: str) -> dict[str, Any]:
    schema = {
        "type": "object",
        "required": ["title", "status", "detail", "code"],
        "properties": {
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "code": {"type": "string", "description": "Stable code of the refusal, such as `LIMIT_REACHED`."},
        },
    }
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


refusal_responses: dict[int | str, dict[str, Any]] = {
    400: _response("The request breaks the grammar, or presents more than one credential."),
    401: _response("No credential, or none that fits."),
    403: _response("The token does not allow this."),
    410: _response("The token or the link has expired."),
    429: _response("The token's uses are spent."),
    503: _response("No decision could be made now."),
}
"""For ``responses=`` of a route, a router or the application: the refusals in its OpenAPI."""
