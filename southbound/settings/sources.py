"""Read settings from the file and the environment, and remember the origin of each."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import TYPE_CHECKING

from schemas.files.yaml_file import YamlFile, YamlFileError, read_yaml_file
from schemas.text.invisible import first_unseen

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

PREFIX = "SOUTHBOUND_"
CONFIG_FILE_VARIABLE = "SOUTHBOUND_CONFIG"
# Variables that are not settings: those of the test suite, and the secrets that spoke profiles name.
FOREIGN_PREFIXES = ("SOUTHBOUND_TEST_", "SOUTHBOUND_SECRET_")
KUBERNETES_HOST_SUFFIX = "_SERVICE_HOST"

SettingKey = tuple[str, str]  # section and setting
Values = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSettings:
    """The names of all settings by section. `maps` are the settings that are mappings, `paths` those that are paths."""

    sections: Mapping[str, Sequence[str]]
    maps: frozenset[SettingKey]
    paths: frozenset[SettingKey]

    def variables(self) -> dict[str, SettingKey]:
        """Return the settings by the name of their environment variable."""
        return {variable_name(s, name): (s, name) for s, names in self.sections.items() for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectedSettings:
    """The values of one or more sources, with their origins. `mistakes` are sentences about wrong names and values."""

    values: Values = field(default_factory=dict)
    variables: frozenset[SettingKey] = frozenset()
    file: Path | None = None
    text: YamlFile | None = None
    mistakes: tuple[str, ...] = ()

    def origin(self, *path: str | int) -> str:
        """Return the origin of a setting: the variable, or the file with its line."""
        key = tuple(map(str, path[:2]))
        if key in self.variables:
            return variable_name(*key)
        return f"{self.file}:{self.text.locate(path)[0]}" if self.text else "the defaults"

    def has(self, section: str, name: str) -> bool:
        """Return whether a source sets this setting."""
        values = self.values.get(section)
        return isinstance(values, dict) and name in values


def variable_name(section: str, name: str) -> str:
    """Return the name of a setting's environment variable."""
    return f"{PREFIX}{section}__{name}".upper()


def read_environment(environment: Mapping[str, str], known: KnownSettings) -> CollectedSettings:
    """Read the settings from the variables that begin with SOUTHBOUND_.

    An empty variable counts as not set; a variable that no setting has is one of the mistakes.
    """
    variables = known.variables()
    values: Values = {}
    mistakes: list[str] = []
    present: set[SettingKey] = set()
    for name in sorted(_southbound_variables(environment)):
        key = variables.get(name)
        if key is None:
            mistakes.append(_unknown_variable_message(name, variables))
        elif unseen := first_unseen(environment[name]):
            character = f"the character U+{ord(unseen):04X}, which nobody sees, or which could not be read"
            mistakes.append(f"{name}: the value contains {character}: type it again")
        elif environment[name]:
            present.add(key)
            _set_value(
                values,
                key,
                _read_json_object(name, environment[name], mistakes) if key in known.maps else environment[name],
            )
    return CollectedSettings(values=values, variables=frozenset(present), mistakes=tuple(mistakes))


def read_settings_file(file: Path, known: KnownSettings) -> CollectedSettings:
    """Read a YAML file; relative paths in it are relative to its folder."""
    try:
        text = read_yaml_file(file)
    except YamlFileError as error:
        return CollectedSettings(mistakes=(str(error),))
    if text.value is None:
        return CollectedSettings(file=file, text=text)
    if not isinstance(text.value, dict):
        return CollectedSettings(
            mistakes=(f"{file}:1: must hold groups of settings, such as `kafka:` with `bootstrap:` below it",)
        )
    return CollectedSettings(values=_resolve_relative_paths(text.value, file, known), file=file, text=text)


def merge(file: CollectedSettings, environment: CollectedSettings) -> CollectedSettings:
    """Merge both sources; the environment overrides the file, setting by setting."""
    return CollectedSettings(
        values=_deep_merge(file.values, environment.values),
        variables=environment.variables,
        file=file.file,
        text=file.text,
        mistakes=file.mistakes + environment.mistakes,
    )


def _deep_merge(base: Values, override: Values) -> Values:
    merged = {**base, **override}
    for name in base.keys() & override.keys():
        base_value, override_value = base[name], override[name]
        if isinstance(base_value, dict) and isinstance(override_value, dict):
            merged[name] = _deep_merge(base_value, override_value)
    return merged


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
    matches = get_close_matches(name, variables, 1, 0.75)
    remedy = f"did you mean {matches[0]}?" if matches else "remove it, or see `southbound config show` for all names"
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


def _set_value(values: Values, key: SettingKey, value: object) -> None:
    section = values.setdefault(key[0], {})
    if isinstance(section, dict):
        section[key[1]] = value


def _resolve_relative_paths(values: Values, file: Path, known: KnownSettings) -> Values:
    resolved = dict(values)
    for section, name in known.paths:
        settings = resolved.get(section)
        if isinstance(settings, dict) and isinstance(path := settings.get(name), str):
            resolved[section] = {**settings, name: file.parent / path}
    return resolved
