"""Django's `runserver`, which also tells the request target as it was sent, so that signed URLs can be
verified."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.apps import apps
from django.core.servers.basehttp import WSGIRequestHandler, WSGIServer

if TYPE_CHECKING:
    from django.core.management.commands.runserver import Command as RunserverCommand
elif apps.is_installed("django.contrib.staticfiles"):
    from django.contrib.staticfiles.management.commands.runserver import Command as RunserverCommand
else:
    from django.core.management.commands.runserver import Command as RunserverCommand

__all__ = ["Command"]


class _TellingHandler(WSGIRequestHandler):
    def get_environ(self) -> dict[str, Any]:
        # As gunicorn, uWSGI, mod_wsgi and werkzeug do; PATH_INFO is already decoded.
        return {**super().get_environ(), "REQUEST_URI": self.path}


class _TellingServer(WSGIServer):
    def __init__(self, address: Any, handler: Any, **options: Any) -> None:
        super().__init__(address, _TellingHandler, **options)


class Command(RunserverCommand):
    """The command of ``staticfiles`` if that is installed, else Django's own."""

    server_cls = _TellingServer
