"""Collect what the file and the environment say about settings, and remember who said it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from schemas.files.located_yaml import Positioned, YamlMistakeError, read_yaml

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

PREFIX = "SOUTHBOUND_"
FILE_VARIABLE = "SOUTHBOUND_CONFIG"
# Names that are no settings: those of the test suite, and the secrets that spoke profiles refer to.
LEFT_TO_OTHERS = ("SOUTHBOUND_TEST_", "SOUTHBOUND_SECRET_")
KUBERNETES = "_SERVICE_HOST"

Place = tuple[str, str]  # section and setting
Values = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSettings:
    """Every setting there is, by section; `maps` are those that hold names and values themselves."""

    sections: Mapping[str, Sequence[str]]
    maps: frozenset[Place]
    paths: frozenset[Place]

    def variables(self) -> dict[str, Place]:
        """Name the variable of every setting."""
        return {variable_of(s, name): (s, name) for s, names in self.sections.items() for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSettings:
    """What was said, and where; `mistakes` are sentences about what could not be taken."""

    values: Values = field(default_factory=dict)
    variables: frozenset[Place] = frozenset()
    file: Path | None = None
    text: Positioned | None = None
    mistakes: tuple[str, ...] = ()

    def origin(self, *path: str | int) -> str:
        """Say who gave a setting: the variable, or the file with its line."""
        place = tuple(map(str, path[:2]))
        if place in self.variables:
            return variable_of(*place)
        return f"{self.file}:{self.text.locate(path)[0]}" if self.text else "the defaults"

    def gives(self, section: str, name: str) -> bool:
        """Return whether anybody gave this setting."""
        values = self.values.get(section)
        return isinstance(values, dict) and name in values


def variable_of(section: str, name: str) -> str:
    """Name the environment variable of a setting."""
    return f"{PREFIX}{section}__{name}".upper()


def from_environment(environment: Mapping[str, str], known: KnownSettings) -> GivenSettings:
    """Read every variable that begins with SOUTHBOUND_; an empty one counts as not set."""
    variables = known.variables()
    values: Values = {}
    mistakes: list[str] = []
    found: set[Place] = set()
    for name in sorted(_ours(environment)):
        place = variables.get(name)
        if place is None:
            mistakes.append(_unknown(name, variables))
        elif environment[name]:
            found.add(place)
            _put(values, place, _read(name, environment[name], mistakes) if place in known.maps else environment[name])
    return GivenSettings(values=values, variables=frozenset(found), mistakes=tuple(mistakes))


def from_file(file: Path, known: KnownSettings) -> GivenSettings:
    """Read a YAML file; a relative path in it is meant from its own folder."""
    try:
        text = read_yaml(file)
    except YamlMistakeError as mistake:
        return GivenSettings(mistakes=(str(mistake),))
    if text.value is None:
        return GivenSettings(file=file, text=text)
    if not isinstance(text.value, dict):
        return GivenSettings(
            mistakes=(f"{file}:1: must hold groups of settings, such as `kafka:` with `bootstrap:` below it",)
        )
    return GivenSettings(values=_from_here(text.value, file, known), file=file, text=text)


def merged(file: GivenSettings, environment: GivenSettings) -> GivenSettings:
    """Put the environment over the file, setting by setting."""
    return GivenSettings(
        values=_over(file.values, environment.values),
        variables=environment.variables,
        file=file.file,
        text=file.text,
        mistakes=file.mistakes + environment.mistakes,
    )


def _over(below: Values, above: Values) -> Values:
    both = {**below, **above}
    for name in below.keys() & above.keys():
        lower, upper = below[name], above[name]
        if isinstance(lower, dict) and isinstance(upper, dict):
            both[name] = _over(lower, upper)
    return both


def _ours(environment: Mapping[str, str]) -> Iterator[str]:
    foreign = tuple(_of_kubernetes(environment))
    for name in environment:
        if name.startswith(PREFIX) and name != FILE_VARIABLE and not name.startswith((*LEFT_TO_OTHERS, *foreign)):
            yield name


def _of_kubernetes(environment: Mapping[str, str]) -> Iterator[str]:
    # Kubernetes tells every pod of every service: one that is named `southbound` gives SOUTHBOUND_PORT and others.
    for name in environment:
        if name.endswith(KUBERNETES):
            service = name.removesuffix(KUBERNETES)
            yield from (f"{service}_SERVICE_", f"{service}_PORT")


def _unknown(name: str, variables: Iterable[str]) -> str:
    close = get_close_matches(name, variables, 1, 0.75)
    remedy = f"did you mean {close[0]}?" if close else "remove it, or see `southbound config show` for all names"
    return f"{name}: there is no such setting: {remedy}"


def _read(name: str, text: str, mistakes: list[str]) -> object:
    try:
        values = json.loads(text)
    except ValueError:
        values = None
    if isinstance(values, dict):
        return values
    mistakes.append(f'{name}: must be a JSON object, such as {{"security.protocol": "SSL"}}')
    return {}


def _put(values: Values, place: Place, value: object) -> None:
    section = values.setdefault(place[0], {})
    if isinstance(section, dict):
        section[place[1]] = value


def _from_here(values: Values, file: Path, known: KnownSettings) -> Values:
    placed = dict(values)
    for section, name in known.paths:
        settings = placed.get(section)
        if isinstance(settings, dict) and isinstance(written := settings.get(name), str):
            placed[section] = {**settings, name: file.parent / written}
    return placed
