"""Load the profiles of all spokes, or report every mistake in them at once."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, Generic, TypeVar, get_args

from pydantic import BaseModel, ValidationError

from consumers.spokes.profile import NamedProfile, Profile
from consumers.spokes.registry import DialectError, spoke_factory
from schemas.files.mistakes import sentence_of
from schemas.files.yaml_file import YamlFileError, read_yaml_file

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pydantic_core import ErrorDetails

    from schemas.files.yaml_file import YamlFile


P = TypeVar("P", bound=NamedProfile)
_MAX_MISTAKES = 1_000  # of one file; nobody reads more of them
_MAX_SHOWN = 100  # characters of a name in a sentence


class ProfilesWrongError(Exception):
    """At least one profile cannot be used; `mistakes` has a sentence for each thing that is wrong."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(mistakes))


@dataclass(frozen=True, slots=True, kw_only=True)
class ProfileKind(Generic[P]):
    """A kind of profile: its model, the fields that one needs, and what else of its text is checked."""

    model: type[P]
    required: str = "'name' and 'base_url'"
    check: Callable[[Path, object, YamlFile], list[tuple[int, str]]] = lambda *_: []

    def field_names(self) -> tuple[str, ...]:
        """Return the names of all fields, also of the groups and lists in it, for "did you mean"."""
        return tuple(dict.fromkeys(_names_in(self.model)))


def _names_in(kind: object) -> Iterator[str]:
    """Yield the names of the fields of a model, and of the models that its fields are made of."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        for attribute, field in kind.model_fields.items():
            yield field.alias or attribute
            yield from _names_in(field.annotation)
    for part in get_args(kind):
        yield from _names_in(part)


def profile_files(folder: Path) -> list[Path]:
    """Return the files of a folder that have profiles, in the order of their names."""
    return sorted([*folder.glob("*.yaml"), *folder.glob("*.yml")])


def load_profiles(paths: Iterable[Path]) -> tuple[Profile, ...]:
    """Return one profile of a spoke from each file.

    Raises:
        ProfilesWrongError: with all mistakes of all files, each as `file:line: spoke 'x', field 'y': …`.
    """
    return load_profiles_of(_SPOKES, paths)


def load_profiles_of(kind: ProfileKind[P], paths: Iterable[Path]) -> tuple[P, ...]:
    """Return one profile of this kind from each file.

    Raises:
        ProfilesWrongError: with all mistakes of all files.
    """
    profiles: dict[str, tuple[P, Path]] = {}
    mistakes: list[str] = []
    for path in paths:
        try:
            profile = _load(kind, path)
        except ProfilesWrongError as wrong:
            mistakes += wrong.mistakes
            continue
        if profile.name in profiles:
            other = profiles[profile.name][1]
            mistakes.append(f"{path}:1: {kind.model.noun} '{profile.name}' is described already in {other}: rename one")
        profiles.setdefault(profile.name, (profile, path))
    if mistakes:
        raise ProfilesWrongError(mistakes)
    return tuple(profile for profile, _ in profiles.values())


def _load(kind: ProfileKind[P], path: Path) -> P:
    try:
        read = read_yaml_file(path)
    except YamlFileError as mistake:
        raise ProfilesWrongError([str(mistake)]) from None
    if not isinstance(read.value, dict):
        raise ProfilesWrongError([f"{path}:1: a profile is a mapping with at least {kind.required}"])
    return _validate(kind, path, read)


def _validate(kind: ProfileKind[P], path: Path, yaml: YamlFile) -> P:
    name = _shown(yaml.value.get("name", "?") if isinstance(yaml.value, dict) else "?")
    mistakes: list[tuple[int, str]] = []
    profile = None
    try:
        profile = kind.model.model_validate(yaml.value)
    except ValidationError as wrong:
        errors = wrong.errors(include_url=False, include_input=False)
        mistakes = [_mistake(kind, path, name, yaml, error) for error in errors[:_MAX_MISTAKES]]
    mistakes += kind.check(path, name, yaml)
    if profile is None or mistakes:
        raise ProfilesWrongError([sentence for _, sentence in sorted(mistakes)])
    return profile


def _shown(name: object) -> str:
    """Return the name of a profile for a sentence; it may be anything as long as it is not checked."""
    shown = "".join(letter if letter.isprintable() else "·" for letter in str(name)[:_MAX_SHOWN])
    return shown if len(str(name)) <= _MAX_SHOWN else f"{shown}…"


def _mistake(kind: ProfileKind[P], path: Path, name: object, yaml: YamlFile, error: ErrorDetails) -> tuple[int, str]:
    line, field = yaml.locate(error["loc"])
    place = f", field '{field}'" if field else ""
    return line, f"{path}:{line}: {kind.model.noun} '{name}'{place}: {_sentence(kind, error, field)}"


def _sentence(kind: ProfileKind[P], error: ErrorDetails, field: str) -> str:
    if error["type"] == "extra_forbidden":
        return f"no such field{_did_you_mean(kind, field)}"
    if error["type"] == "missing":
        return "is missing"
    if error["type"].startswith("union_tag"):
        expected = error["ctx"]["expected_tags"] if "expected_tags" in error.get("ctx", {}) else ""
        return f"needs a 'kind'{', one of ' + expected if expected else ' that says which'}"
    return sentence_of(error)


def _did_you_mean(kind: ProfileKind[P], field: str) -> str:
    close = get_close_matches(field.rpartition(".")[2], kind.field_names(), n=1)
    return f": did you mean '{close[0]}'?" if close else ""


def _unknown_dialect(path: Path, name: object, yaml: YamlFile) -> list[tuple[int, str]]:
    dialect = yaml.value.get("dialect", "tmf653") if isinstance(yaml.value, dict) else None
    if not isinstance(dialect, str):
        return []
    try:
        spoke_factory(dialect)
    except DialectError as error:
        line, _ = yaml.locate(("dialect",))
        return [(line, f"{path}:{line}: spoke '{name}', field 'dialect': {error}")]
    return []


_SPOKES = ProfileKind(model=Profile, check=_unknown_dialect)
