"""Find the spokes whose callbacks anyone who reaches the listener could send."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumers.spokes.security.loopback import is_loopback

if TYPE_CHECKING:
    from collections.abc import Iterable

    from consumers.spokes.profile import Profile

ACCEPTED = "accept from anyone"


def open_callback_mistakes(host: str, profiles: Iterable[Profile]) -> list[str]:
    """Return one sentence per profile whose callbacks would be believed from anyone who reaches `host`."""
    if is_loopback(host):
        return []
    return [_mistake(host, profile.name) for profile in profiles if _is_open(profile) and not _is_accepted(profile)]


def openly_accepted(host: str, profiles: Iterable[Profile]) -> list[str]:
    """Return the names of the profiles that accept callbacks from anyone who reaches `host`, and say so."""
    return [] if is_loopback(host) else [one.name for one in profiles if _is_open(one) and _is_accepted(one)]


def _is_open(profile: Profile) -> bool:
    return profile.takes_callbacks and not profile.authenticates_callbacks


def _is_accepted(profile: Profile) -> bool:
    return profile.unauthenticated_callbacks == ACCEPTED


def _mistake(host: str, spoke: str) -> str:
    return (
        f"spoke '{spoke}', field 'callback_auth': the listener is on {host}, and anyone who reaches it could report "
        f"results of {spoke}: set callback_auth, or listener.host to 127.0.0.1, or leave 'callback' out of "
        f"result_channels, or accept it with `unauthenticated_callbacks: {ACCEPTED}`"
    )
