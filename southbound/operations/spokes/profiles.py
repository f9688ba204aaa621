"""Find and read the profiles that a command is about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from consumers.spokes.profile_loader import ProfilesWrongError, load_profiles, profile_files
from southbound.exit_codes import invalid_input

if TYPE_CHECKING:
    from consumers.spokes.profile import Profile
    from southbound.settings.settings import Settings


def all_profiles(settings: Settings) -> tuple[Profile, ...]:
    """Return the profiles of `routing.spokes`.

    Raises:
        CommandFailedError: with every mistake in them.
    """
    return _load(profile_files(settings.routing.spokes))


def one_profile(settings: Settings, name: str) -> Profile:
    """Return the profile of a spoke, or of a file.

    Raises:
        CommandFailedError: there is none, or it has mistakes.
    """
    if "/" in name or name.endswith((".yaml", ".yml")):
        return profile_of_file(Path(name))
    profiles = {profile.name: profile for profile in all_profiles(settings)}
    if name in profiles:
        return profiles[name]
    known = ", ".join(sorted(profiles)) or "none"
    raise invalid_input([f"there is no spoke '{name}' in {settings.routing.spokes} (there are: {known})"])


def profile_of_file(file: Path) -> Profile:
    """Return the profile of a file.

    Raises:
        CommandFailedError: with every mistake in it.
    """
    (profile,) = _load([file])
    return profile


def _load(files: list[Path]) -> tuple[Profile, ...]:
    try:
        return load_profiles(files)
    except ProfilesWrongError as error:
        raise invalid_input(error.mistakes) from None
