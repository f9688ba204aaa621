"""Rules as functions: pointers are parsed and tables are read once, when a profile is loaded."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from consumers.spokes.mapping.pointers import find, parse_pointer, put, remove
from consumers.spokes.mapping.rules import EPOCH_MILLISECONDS, EPOCH_SECONDS, text_of
from consumers.spokes.tmf653.fields import format_rfc3339
from consumers.spokes.tmf653.lenient_json import as_moment, as_number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from consumers.spokes.mapping.rules import MappingRule
    from schemas.text.json_types import Json

    MappingStep = Callable[[Json], None]
    Translate = Callable[[object], object]


_MAX_WRITTEN = 100  # characters of a number
_EXACT_DIGITS = 15  # of a float
_SPACES = " '\u00a0\u202f"  # between groups of thousands, in all countries


def _written_numbers(sign: str, group: str) -> re.Pattern[str]:
    """Return the pattern of numbers with this sign before the fraction, written together or in groups of three."""
    grouped = rf"[0-9]{{1,3}}(?P<group>[{group}{_SPACES}])[0-9]{{3}}(?:(?P=group)[0-9]{{3}})*"
    return re.compile(rf"(?P<whole>[+-]?(?:[0-9]+|{grouped}))(?:[{sign}](?P<fraction>[0-9]+))?")


_WRITTEN = {",": _written_numbers(",", "."), ".": _written_numbers(".", ",")}


def compile_rules(rules: Iterable[MappingRule], *, writes: bool) -> Callable[[Json], Json]:
    """Return the function that applies rules to an object, which it changes; `writes` is False for what is read."""
    steps = [_step(rule, writes=writes) for rule in rules]

    def apply(body: Json) -> Json:
        for step in steps:
            step(body)
        return body

    return apply


def _step(rule: MappingRule, *, writes: bool) -> MappingStep:
    if rule.drop is not None:
        dropped = parse_pointer(rule.drop)
        return lambda body: remove(body, dropped)
    if rule.source is None:
        place, constant = parse_pointer(rule.to or ""), rule.constant
        return lambda body: put(body, place, (), _copy(constant))
    return _move(rule, _translation(rule, writes=writes))


def _move(rule: MappingRule, translate: Translate) -> MappingStep:
    source = parse_pointer(rule.source or "")
    target = parse_pointer(rule.to) if rule.to else source
    removes = not rule.keep and source != target

    def move(body: Json) -> None:
        found = [*find(body, source)]
        if removes:
            remove(body, source)
        for at, value in found:
            put(body, target, at, translate(value))

    return move


def _translation(rule: MappingRule, *, writes: bool) -> Translate:
    steps: list[Translate] = []
    if (table := rule.values) is not None:
        otherwise = rule.otherwise
        keeps_unknown = "otherwise" not in rule.model_fields_set
        # Null is no value: only a row of its own translates it.
        steps.append(lambda value: table.get(text_of(value), value if keeps_unknown or value is None else otherwise))
    if rule.date is not None:
        form, zone = rule.date, ZoneInfo(rule.zone)
        convert = _to_system if writes else _from_system
        steps.append(lambda value: convert(value, form, zone))
    if (sign := rule.decimal) is not None:
        steps.append((lambda value: _to_written(value, sign)) if writes else (lambda value: _from_written(value, sign)))

    def translate(value: object) -> object:
        for step in steps:
            value = step(value)
        return value

    return translate


def _to_system(value: object, form: str, zone: ZoneInfo) -> object:
    """Return a moment in the system's format; what is no moment stays as it is."""
    moment = as_moment(value)
    if moment is None:
        return value
    if form == EPOCH_SECONDS:
        return int(moment.timestamp())
    if form == EPOCH_MILLISECONDS:
        return round(moment.timestamp() * 1000)
    return moment.astimezone(zone).strftime(form)


def _from_system(value: object, form: str, zone: ZoneInfo) -> object:
    try:
        moment = _moment(value, form, zone)
    except (ValueError, OverflowError, OSError):
        return value
    return format_rfc3339(moment.astimezone(UTC)) if moment else value


def _to_written(value: object, sign: str) -> object:
    """Return a number as a text with this sign before its fraction; anything else stays as it is."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return str(value).replace(".", sign) if is_number else value


def _from_written(value: object, sign: str) -> object:
    """Return the number that a text shows; a text that shows none, or more digits than a number keeps, stays."""
    if not isinstance(value, str) or not (found := _WRITTEN[sign].fullmatch(value.strip()[:_MAX_WRITTEN])):
        return value
    whole = re.sub(r"[^0-9+-]", "", found["whole"])
    if len(whole) + len(found["fraction"] or "") > _EXACT_DIGITS:
        return value
    return float(f"{whole}.{found['fraction']}") if found["fraction"] else int(whole)


def _moment(value: object, form: str, zone: ZoneInfo) -> datetime | None:
    if form in {EPOCH_SECONDS, EPOCH_MILLISECONDS}:
        number = as_number(value)
        return None if number is None else datetime.fromtimestamp(number / (1 if form == EPOCH_SECONDS else 1000), UTC)
    if not isinstance(value, str):
        return None
    found = datetime.strptime(value.strip(), form)  # noqa: DTZ007 - the zone follows
    return found if found.tzinfo else found.replace(tzinfo=zone)


def _copy(value: object) -> object:
    """Return a constant that later rules may change for one body only."""
    if isinstance(value, dict):
        return {name: _copy(each) for name, each in value.items()}
    return [_copy(each) for each in value] if isinstance(value, list) else value
