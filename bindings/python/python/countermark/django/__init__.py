"""Django: a storage whose ``url()`` signs, a middleware that protects paths, system checks.

Needs ``pip install countermark[django]``. In the settings::

    INSTALLED_APPS = ["countermark.django", …]  # before staticfiles, for runserver's sake
    MIDDLEWARE = […, "countermark.django.CountermarkMiddleware"]
    STORAGES = {"default": {"BACKEND": "countermark.django.CountermarkStorage", "OPTIONS": {
        "token_id": "iu_…", "secrets": {1: "cms_…"},
        "base_url": "https://img.example.com/shop/", "expires_in": 3600,
    }}}
    COUNTERMARK = {
        "URL": "http://127.0.0.1:8080", "KEY": "cmk_…",
        "PROTECTED": {
            "/api/photos/": {"permission": "photos:read"},
            "/media/": {"signing_secrets": {"iu_…": {1: "cms_…"}}},
        },
    }
"""

from __future__ import annotations

from countermark.django.middleware import CountermarkMiddleware
from countermark.django.storage import CountermarkStorage

__all__ = ["CountermarkMiddleware", "CountermarkStorage"]
