"""A Django project in one module: settings in code, views, what servers call. Importing it sets Django up."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import django
from countermark import Decision
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

TOKEN = "iu_034YCGMODo7rNXJe1rD0Im"
SECRET = "cms_0123456789abcdefghijklmnopqrstuv"
MEDIA = Path(tempfile.gettempdir()) / "countermark-tests-media"

PROTECTED: dict[str, dict[str, Any]] = {
    "/api/photos/": {"permission": "photos:read"},
    "/api/upload/": {"types": ("upload",)},
    "/links/": {"types": ("imageUrl",)},
    "/links/staff/": {"permission": "staff"},
    "/shop/": {"signing_secrets": {TOKEN: {1: SECRET}}},
    "/gallery/inner/": {"signing_secrets": {TOKEN: {1: SECRET}}},
}
STORAGE: dict[str, Any] = {
    "BACKEND": "countermark.django.CountermarkStorage",
    "OPTIONS": {"token_id": TOKEN, "secrets": {1: SECRET}, "host": "127.0.0.1", "expires_in": 3600},
}

if not settings.configured:
    settings.configure(
        DEBUG=False,
        SECRET_KEY="a key of Django's own, which signs sessions and nothing else",
        ALLOWED_HOSTS=["127.0.0.1", "testserver"],
        ROOT_URLCONF=__name__,
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["countermark.django", "django.contrib.staticfiles"],
        MIDDLEWARE=["countermark.django.CountermarkMiddleware"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
        STATIC_URL="/static/",
        MEDIA_URL="/shop/",
        MEDIA_ROOT=MEDIA,
        STORAGES={
            "default": STORAGE,
            "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
        },
        COUNTERMARK={"PROTECTED": PROTECTED},
    )
    django.setup()


def told(request: HttpRequest, rest: str = "") -> JsonResponse:
    """What the middleware has left for the view."""
    proven: Any = getattr(request, "countermark", None)
    if isinstance(proven, Decision):
        return JsonResponse({"rest": rest, "type": proven.type, "used": proven.used, "owner": proven.owner})
    return JsonResponse({"rest": rest, "verified": None if proven is None else proven.path})


async def told_async(request: HttpRequest, rest: str = "") -> JsonResponse:
    return told(request, rest)


urlpatterns = [
    path("open/", told),
    path("api/photos/", told),
    path("api/upload/", told),
    path("links/<path:rest>", told),
    path("shop/<path:rest>", told_async),
    path("gallery/inner/<path:rest>", told),
]


def wsgi(environ: Any, start_response: Any) -> Any:
    """For gunicorn."""
    global _wsgi
    _wsgi = _wsgi or get_wsgi_application()
    return _wsgi(environ, start_response)


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    """For uvicorn."""
    global _asgi
    _asgi = _asgi or get_asgi_application()
    await _asgi(scope, receive, send)


_wsgi: Any = None
_asgi: Any = None
