"""Load the profiles of all spokes, or report every mistake in them at once."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from pydantic import ValidationError

from consumers.spokes.profile import Profile
from consumers.spokes.registry import SPOKE_FACTORIES
from schemas.files.yaml_file import YamlFile, YamlFileError, read_yaml_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails


_MAX_MISTAKES = 1_000  # of one file; nobody reads more of them


class ProfilesWrongError(Exception):
    """At least one profile cannot be used; `mistakes` has a sentence for each thing that is wrong."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(mistakes))


def load_profiles(paths: Iterable[Path]) -> tuple[Profile, ...]:
    """Return one profile from each file.

    Raises:
        ProfilesWrongError: with all mistakes of all files, each as `file:line: spoke 'x', field 'y': …`.
    """
    profiles: dict[str, tuple[Profile, Path]] = {}
    mistakes: list[str] = []
    for path in paths:
        try:
            profile = _load(path)
        except ProfilesWrongError as wrong:
            mistakes += wrong.mistakes
            continue
        if profile.name in profiles:
            other = profiles[profile.name][1]
            mistakes.append(f"{path}:1: spoke '{profile.name}' is described already in {other}: rename one")
        profiles.setdefault(profile.name, (profile, path))
    if mistakes:
        raise ProfilesWrongError(mistakes)
    return tuple(profile for profile, _ in profiles.values())


def _load(path: Path) -> Profile:
    try:
        read = read_yaml_file(path)
    except YamlFileError as mistake:
        raise ProfilesWrongError([str(mistake)]) from None
    if not isinstance(read.value, dict):
        raise ProfilesWrongError([f"{path}:1: a profile is a mapping with at least 'name' and 'base_url'"])
    return _validate(path, read)


def _validate(path: Path, yaml: YamlFile) -> Profile:
    name = yaml.value.get("name", "?") if isinstance(yaml.value, dict) else "?"
    mistakes: list[tuple[int, str]] = []
    profile = None
    try:
        profile = Profile.model_validate(yaml.value)
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_input=False)
        mistakes = [_mistake(path, name, yaml, error) for error in errors[:_MAX_MISTAKES]]
    mistakes += _unknown_dialect(path, name, yaml)
    if profile is None or mistakes:
        raise ProfilesWrongError([sentence for _, sentence in sorted(mistakes)])
    return profile


def _mistake(path: Path, name: object, yaml: YamlFile, error: ErrorDetails) -> tuple[int, str]:
    line, field = yaml.locate(error["loc"])
    return line, f"{path}:{line}: spoke '{name}', field '{field}': {_sentence(error, field)}"


def _sentence(error: ErrorDetails, field: str) -> str:
    # What was found is never repeated: it may be a secret in the wrong place.
    if error["type"] == "extra_forbidden":
        return f"no such field{_did_you_mean(field)}"
    if error["type"] == "missing":
        return "is missing"
    if error["type"].startswith("union_tag"):
        expected = error["ctx"]["expected_tags"] if "expected_tags" in error.get("ctx", {}) else ""
        return f"needs a 'kind'{', one of ' + expected if expected else ' that says which'}"
    return error["msg"].removeprefix("Value error, ").replace("Input should be", "must be")


def _did_you_mean(field: str) -> str:
    close = get_close_matches(field.rpartition(".")[2], _FIELDS, n=1)
    return f": did you mean '{close[0]}'?" if close else ""


def _unknown_dialect(path: Path, name: object, yaml: YamlFile) -> list[tuple[int, str]]:
    dialect = yaml.value.get("dialect", "tmf653") if isinstance(yaml.value, dict) else None
    if not isinstance(dialect, str) or dialect in SPOKE_FACTORIES:
        return []
    line, _ = yaml.locate(("dialect",))
    sentence = f"'{dialect}' is not spoken here, only {', '.join(sorted(SPOKE_FACTORIES))}"
    return [(line, f"{path}:{line}: spoke '{name}', field 'dialect': {sentence}")]


_FIELDS = (
    *Profile.model_fields,
    *(
        field
        for part in ("media_types", "timeouts", "retry")
        for field in type(Profile.model_fields[part].default).model_fields
    ),
    "kind",
    "username",
    "password",
    "token",
    "header",
    "key",
)
