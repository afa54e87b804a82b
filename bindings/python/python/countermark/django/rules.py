"""The setting `COUNTERMARK`: which paths are protected, and how."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from countermark._native import Signer
from countermark.errors import CountermarkError
from countermark.web import Demand

__all__ = ["Rule", "Rules"]

_SETTINGS = {"URL", "KEY", "PROTECTED"}


@dataclass(frozen=True)
class Rule:
    """What is demanded below one prefix: a signed URL that is verified here, or what the service decides."""

    prefix: str
    """Decoded path, which begins and ends with a slash."""
    signers: Mapping[str, Signer] = field(default_factory=dict[str, Signer])
    """Signers by token id, for links verified without network."""
    demand: Demand | None = None
    """What the service is asked otherwise."""


@dataclass(frozen=True)
class Rules:
    """The whole setting, read."""

    url: str | None
    """The service; `COUNTERMARK_URL` of the environment if absent."""
    key: str | None = field(repr=False)
    """A key with the permission `authorize`; `COUNTERMARK_KEY` of the environment if absent."""
    rules: tuple[Rule, ...]
    """The longest prefix first."""

    @staticmethod
    def read() -> Rules:
        """From Django's settings.

        Raises:
            ImproperlyConfigured: if something is missing or cannot be meant.
        """
        given = getattr(settings, "COUNTERMARK", None)
        if not isinstance(given, Mapping):
            raise ImproperlyConfigured("COUNTERMARK: expected a dictionary with PROTECTED")
        own: Mapping[str, Any] = given  # pyright: ignore[reportUnknownVariableType]
        unknown = sorted(set(own) - _SETTINGS)
        if unknown:
            raise ImproperlyConfigured(
                f"COUNTERMARK: {unknown[0]!r} is none of {', '.join(sorted(_SETTINGS))}"
            )
        protected = own.get("PROTECTED")
        if not isinstance(protected, Mapping) or not protected:
            raise ImproperlyConfigured("COUNTERMARK['PROTECTED']: expected a dictionary of path prefixes")
        options: Mapping[str, Any] = protected  # pyright: ignore[reportUnknownVariableType]
        rules = [_rule(prefix, options[prefix]) for prefix in options]
        rules.sort(key=lambda rule: len(rule.prefix), reverse=True)
        return Rules(own.get("URL"), own.get("KEY"), tuple(rules))

    def find(self, path: str) -> Rule | None:
        """The rule for a decoded path: that of the longest prefix, by whole segments."""
        for rule in self.rules:
            if path.startswith(rule.prefix) or path == rule.prefix[:-1]:
                return rule
        return None


def _rule(prefix: str, options: object) -> Rule:
    place = f"COUNTERMARK['PROTECTED'][{prefix!r}]"
    if not prefix.startswith("/") or not prefix.endswith("/"):
        raise ImproperlyConfigured(f"{place}: expected a prefix that begins and ends with a slash")
    if not isinstance(options, Mapping):
        raise ImproperlyConfigured(f"{place}: expected a dictionary")
    demands: dict[str, Any] = {**options}  # pyright: ignore[reportUnknownMemberType]
    # Django's error reports hide settings by their names: this one has to have "secret" in its.
    secrets_by_token = demands.pop("signing_secrets", None)
    try:
        if secrets_by_token is None:
            return Rule(prefix, demand=Demand(**demands))
        if demands:
            raise ImproperlyConfigured(
                f"{place}: expected nothing beside 'signing_secrets', which asks no service"
            )
        return Rule(
            prefix,
            {token_id: Signer(token_id, secrets) for token_id, secrets in dict(secrets_by_token).items()},
        )
    except (CountermarkError, TypeError, ValueError) as error:
        # Their messages name the argument, never its value.
        raise ImproperlyConfigured(f"{place}: {error}") from None
