"""What caches may do with the answer to a protected request."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from countermark._native import VerifiedUrl
from countermark.decision import Decision
from countermark.web.original import Original

__all__ = ["Keeping"]

_CREDENTIAL_HEADERS = ("Authorization", "X-Custom-Auth-Key")


@dataclass(frozen=True)
class Keeping:
    """Who may keep an answer that a credential has opened. Statuses aside, it is as the gate has it for
    links."""

    is_forbidden: bool
    """Whether nobody may: uses are counted, or someone has logged in."""
    is_by_link: bool
    """Whether the URL itself was the credential: then caches that know the URL know the credential."""

    @staticmethod
    def of(proven: Decision | VerifiedUrl, original: Original) -> Keeping:
        """For the request that was proven."""
        if isinstance(proven, VerifiedUrl):
            return Keeping(is_forbidden=False, is_by_link=True)
        is_basic = (original.authorization or "").lower().startswith("basic ")
        return Keeping(
            is_forbidden=proven.limit is not None or is_basic, is_by_link=proven.type == "imageUrl"
        )

    def headers(self, cache_control: Iterable[str], vary: Iterable[str]) -> dict[str, str]:
        """The headers to set in place of the answer's own.

        Args:
            cache_control: values of the answer's own `Cache-Control`.
            vary: values of its own `Vary`.
        """
        changed: dict[str, str] = {}
        own = _parts(cache_control)
        names = {part.lower() for part in own}
        if self.is_forbidden:
            if not {"private", "no-store"} <= names:
                changed["Cache-Control"] = "private, no-store"
        elif not names & {"private", "no-store"} and not (self.is_by_link and own):
            changed["Cache-Control"] = ", ".join(["private", *filter(_is_for_all_caches, own)])
        varied = _parts(vary)
        known = {part.lower() for part in varied}
        added = [name for name in _CREDENTIAL_HEADERS if name.lower() not in known]
        if not self.is_by_link and added and "*" not in known:
            changed["Vary"] = ", ".join([*varied, *added])
        return changed


def _parts(values: Iterable[str]) -> list[str]:
    return [part.strip() for text in values for part in text.split(",") if part.strip()]


def _is_for_all_caches(directive: str) -> bool:
    """Those for shared caches alone contradict `private`."""
    return directive.partition("=")[0].strip().lower() not in ("public", "s-maxage", "private")
