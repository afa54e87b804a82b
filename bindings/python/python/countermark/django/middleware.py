"""A middleware that lets requests below protected prefixes pass only with a credential."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from threading import Lock
from typing import TYPE_CHECKING, Any, cast
from weakref import WeakKeyDictionary, finalize

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from countermark._native import VerifiedUrl
from countermark.decision import Decision
from countermark.django.rules import Rule, Rules
from countermark.errors import CountermarkError, PathDenied
from countermark.web import PREFLIGHT_HEADERS, PREFLIGHT_STATUS, Keeping, Original, Refusal, verify_link
from countermark.web.target import without_signature

if TYPE_CHECKING:
    from countermark import AsyncClient, Client

__all__ = ["CountermarkMiddleware"]

_Sync = Callable[[HttpRequest], HttpResponseBase]
_Async = Callable[[HttpRequest], Awaitable[HttpResponseBase]]


class CountermarkMiddleware:
    """Protects the prefixes of ``COUNTERMARK["PROTECTED"]``; what was decided is in ``request.countermark``.

    A signature in the path is taken out before Django looks for the view: a link to
    ``/media/s-cm1:…/cat.jpg`` meets the URL pattern of ``/media/cat.jpg``. Works under WSGI and ASGI without
    a switch between threads.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: _Sync | _Async) -> None:
        """Reads the settings.

        Raises:
            ImproperlyConfigured: if something is missing or cannot be meant.
        """
        self._get_response = get_response
        self._rules = Rules.read()
        self._lock = Lock()
        self._client: Client | None = None
        self._async_clients: WeakKeyDictionary[
            asyncio.AbstractEventLoop, tuple[AsyncClient, AsyncGenerator[None, None]]
        ] = WeakKeyDictionary()
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        """The view's answer, or a problem (RFC 9457) instead."""
        if self._is_async:
            return self._answer_async(request)
        try:
            proof = self._prove(request)
        except CountermarkError as error:
            return _refused(error)
        if isinstance(proof, HttpResponse):
            return proof
        return _marked(cast(_Sync, self._get_response)(request), proof)

    async def _answer_async(self, request: HttpRequest) -> HttpResponseBase:
        try:
            proof = await self._prove_async(request)
        except CountermarkError as error:
            return _refused(error)
        if isinstance(proof, HttpResponse):
            return proof
        return _marked(await cast(_Async, self._get_response)(request), proof)

    def _prove(self, request: HttpRequest) -> Keeping | HttpResponse | None:
        """How the answer may be kept; the answer itself if no view is to be reached; none where all may
        pass."""
        rule, served = self._rule(request)
        if rule is None:
            return None
        if (original := _original(request)).is_preflight:
            return _preflight()
        if rule.demand is None:
            return _pass(request, verify_link(rule.signers, original), original, served)
        return _pass(request, rule.demand.decide(original, self._sync_client()), original, served)

    async def _prove_async(self, request: HttpRequest) -> Keeping | HttpResponse | None:
        """As :meth:`_prove`."""
        rule, served = self._rule(request)
        if rule is None:
            return None
        if (original := _original(request)).is_preflight:
            return _preflight()
        if rule.demand is None:
            return _pass(request, verify_link(rule.signers, original), original, served)
        decision = await rule.demand.decide_async(original, await self._async_client())
        return _pass(request, decision, original, served)

    def _rule(self, request: HttpRequest) -> tuple[Rule | None, str]:
        """The rule that the request meets, and the path by which Django is to find the view.

        Raises:
            PathDenied: if other rules protect the two; the place of a signature must not choose the weaker
                one.
        """
        root, path = _root(request), request.path_info
        served = without_signature(root + path).removeprefix(root)
        rule, rule_of_view = self._rules.find(path), self._rules.find(served)
        if rule is not rule_of_view and rule is not None:
            raise PathDenied
        return rule_of_view, served

    def _sync_client(self) -> Client:
        with self._lock:
            if self._client is None:
                from countermark import Client

                self._client = Client(self._rules.url, self._rules.key)
                finalize(self, self._client.close)
            return self._client

    async def _async_client(self) -> AsyncClient:
        """Connections belong to the loop in which they were opened, and end with it."""
        loop = asyncio.get_running_loop()
        with self._lock:
            if loop in self._async_clients:
                return self._async_clients[loop][0]
            from countermark import AsyncClient

            for ended in [other for other in self._async_clients if other.is_closed()]:
                del self._async_clients[ended]
            client = AsyncClient(self._rules.url, self._rules.key)
            closing = _closing_with_the_loop(client)
            self._async_clients[loop] = client, closing
        await anext(closing)
        return client


async def _closing_with_the_loop(client: AsyncClient) -> AsyncGenerator[None, None]:
    """Who ends a loop first ends its asynchronous generators (`loop.shutdown_asyncgens`)."""
    async with client:
        yield


def _pass(request: HttpRequest, proven: Decision | VerifiedUrl, original: Original, served: str) -> Keeping:
    cast(Any, request).countermark = proven
    request.path_info = served
    return Keeping.of(proven, original)


def _marked(response: HttpResponseBase, keeping: Keeping | None) -> HttpResponseBase:
    if keeping is not None:
        own = [[response[name]] if response.has_header(name) else [] for name in ("Cache-Control", "Vary")]
        for name, text in keeping.headers(*own).items():
            response[name] = text
    return response


def _preflight() -> HttpResponse:
    return HttpResponse(status=PREFLIGHT_STATUS, headers=PREFLIGHT_HEADERS)


def _refused(error: CountermarkError) -> JsonResponse:
    refusal = Refusal.of(error)
    return JsonResponse(
        refusal.problem,
        status=refusal.status,
        headers=refusal.headers,
        content_type="application/problem+json",
    )


def _original(request: HttpRequest) -> Original:
    scope = getattr(request, "scope", None)
    if scope is not None:
        # A middleware may have put there what a proxy says.
        address = request.META.get("REMOTE_ADDR")
        scope = {**scope, "client": None if address is None else (address, 0)}
        return Original.of_scope(scope, host=request.get_host(), root=_root(request))
    # Django has decoded both in the environment itself.
    return Original.of_environ(
        request.META, host=request.get_host(), root=_root(request), path=request.path_info
    )


def _root(request: HttpRequest) -> str:
    """Where the application stands, by FORCE_SCRIPT_NAME or the server."""
    return str(request.META.get("SCRIPT_NAME", "")).rstrip("/")
