"""Run `southbound spokes list`, `check`, `show` and `schema`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from pydantic import BaseModel
from rich.table import Table

from consumers.spokes.conventions.hub_settings import CredentialsPlace
from consumers.spokes.profile_schema import profile_schema
from schemas.codec.printable import printable
from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.configuration import missing_secrets
from southbound.operations.console import print_content, print_json, print_result, print_text
from southbound.operations.spokes.profiles import all_profiles, one_profile, profile_of_file
from southbound.service.composition.callback_addresses import callback_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from consumers.spokes.profile import Profile
    from southbound.settings.settings import Settings


def list_spokes(settings: Settings, *, as_json: bool) -> int:
    """Run `southbound spokes list`."""
    rows = [_summary(profile) for profile in all_profiles(settings)]
    if as_json:
        for row in rows:
            print_json(orjson.dumps(row).decode())
        return ExitCode.SUCCESS
    table = Table("spoke", "base_url", "dialect", "version", "auth", "results", box=None, pad_edge=False)
    for row in rows:
        table.add_row(*[", ".join(value) if isinstance(value, list) else value for value in row.values()])
    print_result(table)
    return ExitCode.SUCCESS


def _summary(profile: Profile) -> dict[str, str | list[str]]:
    return {
        "spoke": profile.name,
        "base_url": profile.base_url,
        "dialect": profile.dialect,
        "version": profile.version,
        "auth": profile.auth.kind,
        "results": sorted(profile.result_channels),
    }


def check_profile(file: Path, environment: Mapping[str, str]) -> int:
    """Run `southbound spokes check`.

    Raises:
        CommandFailedError: with every mistake and every secret that is missing.
    """
    profile = profile_of_file(file)
    if mistakes := list(dict.fromkeys(missing_secrets((profile,), environment))):
        raise invalid_input(mistakes)
    set_by_file = count_noun(len(profile.model_fields_set), "field")
    print_text(f"spoke {profile.name} is valid: {set_by_file} set, not contacted: {profile.base_url}")
    if dropped := _dropped(profile):
        print_text(
            f"note: the mapping drops {', '.join(dropped)} of an order, and no update says so: what an earlier rule "
            "has moved elsewhere is sent, the rest is lost"
        )
    return ExitCode.SUCCESS


def _dropped(profile: Profile) -> list[str]:
    """Return the fields of an order that the mapping removes from what is sent."""
    rules = profile.mapping
    every = (rule.drop for rule in (*rules.send, *rules.create, *rules.change))
    return list(dict.fromkeys(printable(pointer) for pointer in every if pointer is not None))


def show_spoke(settings: Settings, name: str, *, as_json: bool) -> int:
    """Run `southbound spokes show`."""
    profile = one_profile(settings, name)
    if as_json:
        print_json(orjson.dumps(profile.model_dump(mode="json", by_alias=True)).decode())
        return ExitCode.SUCCESS
    table = Table("field", "value", "from", box=None, pad_edge=False)
    for field, value, is_set in _values(profile):
        table.add_row(field, value, "profile" if is_set else "default", style="" if is_set else "dim")
    table.add_row("digest", profile.digest, "fields")
    if profile.hub.registers:
        table.add_row("registered at the hub", _callback_address(settings, profile), "settings")
    print_result(table)
    return ExitCode.SUCCESS


def _callback_address(settings: Settings, profile: Profile) -> str:
    """Return the address that is registered, without its token."""
    token = "TOKEN" if profile.hub.credentials is CredentialsPlace.URL else None
    return f"{settings.listener.public_url or '(listener.public_url is not set)'}{callback_path(profile, token)}"


def _values(model: BaseModel, above: str = "", *, is_set: bool = True) -> Iterator[tuple[str, str, bool]]:
    for attribute, described in type(model).model_fields.items():
        name = described.alias or attribute
        value, own = getattr(model, attribute), is_set and attribute in model.model_fields_set
        if isinstance(value, BaseModel):
            yield from _values(value, f"{above}{name}.", is_set=own)
        else:
            yield f"{above}{name}", _as_text(value), own


def _as_text(value: object) -> str:
    if value is None or value in ({}, (), frozenset()):
        return "-"
    if isinstance(value, frozenset):
        return ", ".join(sorted(map(str, value)))
    if not isinstance(value, dict | tuple):
        return str(value)
    # Methods and statuses are keys that are no plain texts.
    return orjson.dumps(value, default=_dump, option=orjson.OPT_NON_STR_KEYS).decode()


def _dump(value: object) -> object:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return sorted(value) if isinstance(value, frozenset) else str(value)


def print_schema() -> int:
    """Run `southbound spokes schema`."""
    print_content(profile_schema())
    return ExitCode.SUCCESS
