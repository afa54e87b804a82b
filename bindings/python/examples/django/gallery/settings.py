"""The settings. Secrets come from the environment."""

from __future__ import annotations

import os
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]

DEBUG = True
SECRET_KEY = os.urandom(32).hex()
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
ROOT_URLCONF = "gallery.urls"
WSGI_APPLICATION = None
USE_TZ = True
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

INSTALLED_APPS = ["countermark.django", "django.contrib.staticfiles", "gallery"]
MIDDLEWARE = ["django.middleware.common.CommonMiddleware", "countermark.django.CountermarkMiddleware"]
TEMPLATES = [{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True}]
STATIC_URL = "/static/"
MEDIA_URL = "/shop/"
MEDIA_ROOT = HOME / "photos"

TOKEN_ID = os.environ.get("GALLERY_TOKEN", "")
# To rotate, add the next version beside this one: both verify, the higher one signs.
SECRETS = {1: os.environ.get("GALLERY_SECRET", "")}

STORAGES = {
    "default": {
        "BACKEND": "countermark.django.CountermarkStorage",
        "OPTIONS": {
            "token_id": TOKEN_ID,
            "secrets": SECRETS,
            "host": "127.0.0.1",
            "expires_in": 3600,
            "bucket": 600,
        },
    },
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}

COUNTERMARK = {
    # URL and KEY of the service come from COUNTERMARK_URL and COUNTERMARK_KEY.
    "PROTECTED": {
        "/shop/": {"signing_secrets": {TOKEN_ID: SECRETS}},
        "/api/photos/": {"permission": "photos:read"},
    },
}
