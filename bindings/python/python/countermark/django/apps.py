"""The application that brings the system checks, and a `runserver` that tells request targets."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig

__all__ = ["CountermarkConfig"]


class CountermarkConfig(AppConfig):
    """Registers the system checks."""

    name = "countermark.django"
    label = "countermark"
    verbose_name = "Countermark"

    def ready(self) -> None:
        """Importing them registers them."""
        import_module("countermark.django.checks")
