"""Collect the settings of the file and the environment with their origins."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from schemas.files.yaml_file import YamlFile, YamlFileError, read_yaml_file

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

PREFIX = "SOUTHBOUND_"
CONFIG_FILE_VARIABLE = "SOUTHBOUND_CONFIG"
# Names that are no settings: those of the test suite, and the secrets that spoke profiles refer to.
FOREIGN_PREFIXES = ("SOUTHBOUND_TEST_", "SOUTHBOUND_SECRET_")
KUBERNETES_HOST_SUFFIX = "_SERVICE_HOST"

SettingKey = tuple[str, str]  # section and setting
Values = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSettings:
    """Every setting there is, by section; `maps` are those that hold names and values themselves."""

    sections: Mapping[str, Sequence[str]]
    maps: frozenset[SettingKey]
    paths: frozenset[SettingKey]

    def variables(self) -> dict[str, SettingKey]:
        """Name the variable of every setting."""
        return {variable_name(s, name): (s, name) for s, names in self.sections.items() for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class GivenSettings:
    """What was said, and where; `mistakes` are sentences about what could not be taken."""

    values: Values = field(default_factory=dict)
    variables: frozenset[SettingKey] = frozenset()
    file: Path | None = None
    text: YamlFile | None = None
    mistakes: tuple[str, ...] = ()

    def origin(self, *path: str | int) -> str:
        """Return the origin of a setting: the variable, or the file with its line."""
        place = tuple(map(str, path[:2]))
        if place in self.variables:
            return variable_name(*place)
        return f"{self.file}:{self.text.locate(path)[0]}" if self.text else "the defaults"

    def has(self, section: str, name: str) -> bool:
        """Return whether anybody gave this setting."""
        values = self.values.get(section)
        return isinstance(values, dict) and name in values


def variable_name(section: str, name: str) -> str:
    """Name the environment variable of a setting."""
    return f"{PREFIX}{section}__{name}".upper()


def read_environment(environment: Mapping[str, str], known: KnownSettings) -> GivenSettings:
    """Read every variable that begins with SOUTHBOUND_; an empty one counts as not set."""
    variables = known.variables()
    values: Values = {}
    mistakes: list[str] = []
    found: set[SettingKey] = set()
    for name in sorted(_southbound_variables(environment)):
        place = variables.get(name)
        if place is None:
            mistakes.append(_unknown_variable_message(name, variables))
        elif environment[name]:
            found.add(place)
            _set_value(
                values,
                place,
                _read_json_object(name, environment[name], mistakes) if place in known.maps else environment[name],
            )
    return GivenSettings(values=values, variables=frozenset(found), mistakes=tuple(mistakes))


def read_settings_file(file: Path, known: KnownSettings) -> GivenSettings:
    """Read a YAML file; a relative path in it is meant from its own folder."""
    try:
        text = read_yaml_file(file)
    except YamlFileError as mistake:
        return GivenSettings(mistakes=(str(mistake),))
    if text.value is None:
        return GivenSettings(file=file, text=text)
    if not isinstance(text.value, dict):
        return GivenSettings(
            mistakes=(f"{file}:1: must hold groups of settings, such as `kafka:` with `bootstrap:` below it",)
        )
    return GivenSettings(values=_resolve_relative_paths(text.value, file, known), file=file, text=text)


def merge(file: GivenSettings, environment: GivenSettings) -> GivenSettings:
    """Put the environment over the file, setting by setting."""
    return GivenSettings(
        values=_deep_merge(file.values, environment.values),
        variables=environment.variables,
        file=file.file,
        text=file.text,
        mistakes=file.mistakes + environment.mistakes,
    )


def _deep_merge(below: Values, above: Values) -> Values:
    both = {**below, **above}
    for name in below.keys() & above.keys():
        lower, upper = below[name], above[name]
        if isinstance(lower, dict) and isinstance(upper, dict):
            both[name] = _deep_merge(lower, upper)
    return both


def _southbound_variables(environment: Mapping[str, str]) -> Iterator[str]:
    foreign = tuple(_kubernetes_prefixes(environment))
    for name in environment:
        if (
            name.startswith(PREFIX)
            and name != CONFIG_FILE_VARIABLE
            and not name.startswith((*FOREIGN_PREFIXES, *foreign))
        ):
            yield name


def _kubernetes_prefixes(environment: Mapping[str, str]) -> Iterator[str]:
    # Kubernetes sets variables for every service: one named `southbound` makes SOUTHBOUND_PORT and others.
    for name in environment:
        if name.endswith(KUBERNETES_HOST_SUFFIX):
            service = name.removesuffix(KUBERNETES_HOST_SUFFIX)
            yield from (f"{service}_SERVICE_", f"{service}_PORT")


def _unknown_variable_message(name: str, variables: Iterable[str]) -> str:
    close = get_close_matches(name, variables, 1, 0.75)
    remedy = f"did you mean {close[0]}?" if close else "remove it, or see `southbound config show` for all names"
    return f"{name}: there is no such setting: {remedy}"


def _read_json_object(name: str, text: str, mistakes: list[str]) -> object:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if isinstance(values, dict):
        return values
    mistakes.append(f'{name}: must be a JSON object, such as {{"security.protocol": "SSL"}}')
    return {}


def _set_value(values: Values, place: SettingKey, value: object) -> None:
    section = values.setdefault(place[0], {})
    if isinstance(section, dict):
        section[place[1]] = value


def _resolve_relative_paths(values: Values, file: Path, known: KnownSettings) -> Values:
    placed = dict(values)
    for section, name in known.paths:
        settings = placed.get(section)
        if isinstance(settings, dict) and isinstance(written := settings.get(name), str):
            placed[section] = {**settings, name: file.parent / written}
    return placed
