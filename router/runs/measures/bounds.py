"""Bound the measures of a run, in number and in size, so that they can be stored and published as a whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.runs.reports.reasons import shortened_text
from schemas.base import Model
from schemas.results import Reason, ReportedMeasure, RuleViolation
from schemas.run_document import JsonText
from schemas.text.counts import count_noun
from schemas.vocabulary import MeasureIdOrigin

if TYPE_CHECKING:
    from collections.abc import Sequence

    from schemas.run_document import JsonValue

MAX_MEASURES = 2_000  # of a run
MAX_BYTES = 700_000  # of the measures of a run, in UTF-8; a message has a mebibyte by default
MEASURES_LEFT_OUT = "MEASURES_LEFT_OUT"
MEASURES_SHORTENED = "MEASURES_SHORTENED"
_FIXED_BYTES = 60  # of a measure: numbers, times, and what encodings add
_SHORT = 20  # bytes of a text, where every byte counts
_ID = 64  # bytes of an id
_NUMBER = 8  # bytes of a number
_VIOLATION_FIELDS = tuple(RuleViolation.model_fields)


def bounded_measures(
    measures: tuple[ReportedMeasure, ...], max_measures: int = MAX_MEASURES, max_bytes: int = MAX_BYTES
) -> tuple[tuple[ReportedMeasure, ...], tuple[Reason, ...]]:
    """Return the measures that are kept, and why some are not kept, or not as a whole.

    Requested measures are kept before others, and of these the first ones and the last. If all are too large together,
    those that are larger than their share keep the beginning of their texts.
    """
    kept, reasons = _limited_number(measures, max_measures)
    sizes = list(map(size_of, kept))
    if sum(sizes) <= max_bytes:
        return kept, reasons
    share = _share(sizes, max_bytes * 7 // 10)  # so that bounding what was shortened changes nothing
    shorter = tuple([one if size <= share else _shortened(one, share) for one, size in zip(kept, sizes, strict=True)])
    names = [one.metric_name or one.id for one, size in zip(kept, sizes, strict=True) if size > share]
    keep = count_noun(len(names), "of them keeps", "of them keep")
    message = (
        f"The measures are larger than {max_bytes} bytes together: {keep} only the beginning of texts, the first is "
        f"{shortened_text(names[0], 80)!r}."
    )
    return shorter, (*reasons, Reason(code=MEASURES_SHORTENED, message=message))


def measures_left_out(count: int, kept: int = MAX_MEASURES) -> Reason:
    """Return the reason that counts the measures that are not kept."""
    return Reason(
        code=MEASURES_LEFT_OUT,
        message=f"{count_noun(count, 'measure is', 'measures are')} left out: {kept:,} are kept, those that were "
        "requested first.",
    )


def size_of(measure: ReportedMeasure) -> int:
    """Return about how many bytes a measure takes in a message."""
    texts = (
        measure.id,
        measure.metric_name,
        measure.metric_href,
        _text_of(measure.value),
        measure.value_type,
        measure.unit_of_measure,
        measure.capture_method,
    )
    return _FIXED_BYTES + sum(map(_bytes_of, texts)) + sum(map(_size_of_violation, measure.rule_violation))


def _limited_number(
    measures: tuple[ReportedMeasure, ...], limit: int
) -> tuple[tuple[ReportedMeasure, ...], tuple[Reason, ...]]:
    if len(measures) <= limit:
        return measures, ()
    requested = [place for place, one in enumerate(measures) if one.id_origin is not MeasureIdOrigin.DERIVED]
    others = [place for place, one in enumerate(measures) if one.id_origin is MeasureIdOrigin.DERIVED]
    room = limit - len(requested)
    more = [*others[: room - 1], *others[-1:]] if room > 0 else []
    kept = sorted([*requested[:limit], *more])
    return tuple([measures[place] for place in kept]), (measures_left_out(len(measures) - len(kept), len(kept)),)


def _share(sizes: Sequence[int], total: int) -> int:
    """Return the largest size that each may have, if all of them together may have `total`."""
    left, share = total, 0
    for number, size in enumerate(sorted(sizes)):
        share = left // (len(sizes) - number)
        if size > share:
            break
        left -= size
    return share


def _shortened(measure: ReportedMeasure, limit: int) -> ReportedMeasure:
    """Return a measure of about `limit` bytes: names first, then the value, then the violations."""
    one = measure.model_copy(
        update={
            "metric_name": _cut(measure.metric_name, limit // 8),
            "metric_href": None if _bytes_of(measure.metric_href) > limit // 8 else measure.metric_href,
            "value_type": _cut(measure.value_type, _SHORT),
            "unit_of_measure": _cut(measure.unit_of_measure, _SHORT),
            "capture_method": _cut(measure.capture_method, _SHORT),
            "rule_violation": (),
        }
    )
    room = limit - size_of(one) + _bytes_of(_text_of(one.value))
    violations = _first_violations(measure.rule_violation, room // 2)
    room -= sum(map(_size_of_violation, violations))
    return one.model_copy(update={"value": _cut_value(one.value, room), "rule_violation": violations})


def _first_violations(violations: tuple[RuleViolation, ...], room: int) -> tuple[RuleViolation, ...]:
    """Return the violations that fit, and at least one: a measure with a violation fails."""
    kept: list[RuleViolation] = []
    for violation in violations:
        room -= _size_of_violation(violation)
        if room < 0:
            break
        kept.append(violation)
    return tuple(kept) or tuple(map(_short_violation, violations[:1]))


def _short_violation(violation: RuleViolation) -> RuleViolation:
    # The id is kept whole, unless it is none: by a part of it nobody finds the violation again.
    return RuleViolation(id=_cut(violation.id, _ID), name=_cut(violation.name, _SHORT))


def _size_of_violation(violation: RuleViolation) -> int:
    return _size_of_fields(violation, _VIOLATION_FIELDS)


def _size_of_fields(thing: Model, fields: tuple[str, ...]) -> int:
    return len(fields) + sum([_size_of_field(getattr(thing, field)) for field in fields])


def _size_of_field(found: object) -> int:
    match found:
        case None | ():
            return 0
        case str():
            return _bytes_of(found)
        case tuple():
            return sum(map(_size_of_field, found))
        case Model():
            return _size_of_fields(found, tuple(type(found).model_fields))
        case _:
            return _NUMBER


def _cut_value(value: JsonValue, limit: int) -> JsonValue:
    text = _text_of(value)
    return value if text is None or _bytes_of(text) <= limit else _cut(text, max(limit, _SHORT))


def _text_of(value: JsonValue) -> str | None:
    return value.json_text if isinstance(value, JsonText) else value if isinstance(value, str) else None


def _cut(text: str | None, limit: int) -> str | None:
    """Return the beginning of a text, in at most `limit` bytes."""
    if text is None or _bytes_of(text) <= limit:
        return text
    return text.encode(errors="replace")[: max(0, limit - 3)].decode(errors="ignore") + "…"


def _bytes_of(text: str | None) -> int:
    return 0 if text is None else len(text) if text.isascii() else len(text.encode(errors="replace"))
