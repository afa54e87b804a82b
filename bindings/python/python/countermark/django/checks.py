"""System checks: what is wrong with the settings is said before the first request."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Tags, Warning, register
from django.core.exceptions import ImproperlyConfigured
from django.core.files.storage import FileSystemStorage
from django.utils.module_loading import import_string

from countermark.django.middleware import CountermarkMiddleware
from countermark.django.rules import Rules
from countermark.django.storage import CountermarkStorage
from countermark.errors import InvalidArgument

__all__ = ["check_cache_position", "check_middleware", "check_runserver", "check_storages"]

# What people write where a secret belongs, until they have one.
_PLACEHOLDERS = ("change-me", "changeme", "django-insecure", "secret", "example", "test", "password")
_MIDDLEWARE = f"{CountermarkMiddleware.__module__}.{CountermarkMiddleware.__qualname__}"
_CACHES = (
    "django.middleware.cache.UpdateCacheMiddleware",
    "django.middleware.cache.FetchFromCacheMiddleware",
    "django.middleware.cache.CacheMiddleware",
)
_MIDDLEWARE_NAMES = {_MIDDLEWARE, "countermark.django.CountermarkMiddleware"}


@register(Tags.security)
def check_storages(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """E001 missing, E002 not acceptable, E003 secrets not acceptable, E004 guessable, E005 no host; W001,
    W002."""
    found: list[CheckMessage] = []
    for alias, given in settings.STORAGES.items():
        if not _is_ours(given.get("BACKEND")):
            continue
        place = f"STORAGES[{alias!r}]"
        found += _storage_messages(place, {**given.get("OPTIONS", {})})
    return found


@register(Tags.security)
def check_middleware(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """E004 guessable secret, E006 setting not acceptable, E007 no service named; only where the middleware is
    used."""
    if not _MIDDLEWARE_NAMES & set(settings.MIDDLEWARE):
        return []
    try:
        rules = Rules.read()
    except ImproperlyConfigured as error:
        return [Error(str(error), id="countermark.E006")]
    found: list[CheckMessage] = []
    for prefix, given in settings.COUNTERMARK["PROTECTED"].items():
        for secrets in dict(given.get("signing_secrets", {})).values():
            found += _guessable(f"COUNTERMARK['PROTECTED'][{prefix!r}]", secrets)
    if any(rule.demand is not None for rule in rules.rules):
        found += [
            Error(
                f"COUNTERMARK[{name!r}] is missing, and paths are protected by what the service decides.",
                hint=f"Set it, or COUNTERMARK_{name} in the environment.",
                id="countermark.E007",
            )
            for name, given in (("URL", rules.url), ("KEY", rules.key))
            if not given and not os.environ.get(f"COUNTERMARK_{name}")
        ]
    return found


@register(Tags.security)
def check_cache_position(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """W004: a cache stands before the middleware, and answers without asking it."""
    names = list(settings.MIDDLEWARE)
    ours = [place for place, name in enumerate(names) if name in _MIDDLEWARE_NAMES]
    before = [name for name in names[: min(ours, default=0)] if name in _CACHES]
    return [
        Warning(
            f"{name!r} stands before the middleware of Countermark: what it keeps, it gives to everybody.",
            hint="Put 'countermark.django.CountermarkMiddleware' before the cache.",
            id="countermark.W004",
        )
        for name in before
    ]


@register()
def check_runserver(app_configs: Sequence[AppConfig] | None, **options: Any) -> list[CheckMessage]:
    """W003: another application's `runserver` wins, which tells no request targets."""
    names = [name.removesuffix(".apps.CountermarkConfig") for name in settings.INSTALLED_APPS]
    static = "django.contrib.staticfiles"
    if not settings.DEBUG or static not in names or names.index(static) > names.index("countermark.django"):
        return []
    text = f"'countermark.django' stands behind '{static}' in INSTALLED_APPS."
    return [
        Warning(text, hint="Put it before: signed URLs are refused under runserver.", id="countermark.W003")
    ]


def _storage_messages(place: str, options: dict[str, Any]) -> Iterable[CheckMessage]:
    missing = [name for name in ("token_id", "secrets") if not options.get(name)]
    if missing:
        return [Error(f"{place}: the option {name!r} is missing.", id="countermark.E001") for name in missing]
    try:
        storage = CountermarkStorage(**options)
    except (InvalidArgument, ImproperlyConfigured, TypeError) as error:
        number = "E003" if str(error).startswith("secrets") else "E002"
        return [Error(f"{place}: {error}", id=f"countermark.{number}")]
    found = _guessable(place, options["secrets"])
    base_url = options.get("base_url")
    if base_url is None and isinstance(wrapped := storage.wrapped, FileSystemStorage):
        base_url = wrapped.base_url
    if base_url is not None and not urlsplit(base_url).netloc and not options.get("host"):
        hint = "Name the host that links are for, or give a base_url with one."
        found.append(Error(f"{place}: links are only a path.", hint=hint, id="countermark.E005"))
    if options.get("expires_in") is None:
        hint = "Set expires_in, and bucket for URLs that caches know again."
        found.append(Warning(f"{place}: links never expire.", hint=hint, id="countermark.W001"))
    return found


def _guessable(place: str, secrets: str | Mapping[int, str]) -> list[CheckMessage]:
    texts = [secrets] if isinstance(secrets, str) else list(secrets.values())
    if settings.SECRET_KEY and settings.SECRET_KEY in texts:
        text = f"{place}: a signing secret is Django's SECRET_KEY."
        return [Error(text, hint="Use the token's own: who learns one knows both.", id="countermark.E004")]
    if not any(_looks_like_a_placeholder(text) for text in texts):
        return []
    text = f"{place}: a signing secret looks like a placeholder."
    hint = "Use the secret that was shown when the token was issued."
    kind = Warning if settings.DEBUG else Error
    return [kind(text, hint=hint, id="countermark.W002" if settings.DEBUG else "countermark.E004")]


def _looks_like_a_placeholder(secret: str) -> bool:
    """By few different characters, or by the words with which it begins."""
    return len(set(secret)) < 8 or secret.lower().startswith(_PLACEHOLDERS)


def _is_ours(backend: object) -> bool:
    try:
        kind = import_string(backend) if isinstance(backend, str) else backend
    except ImportError:
        # Django's own check of STORAGES says so.
        return False
    return isinstance(kind, type) and issubclass(kind, CountermarkStorage)
