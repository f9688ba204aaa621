"""Assign ids that stay the same to violations and their consequences, where their system names none."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from router.runs.ids import consequence_id, violation_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from schemas.results import AppliedConsequence, RuleViolation


def with_ids(measure_id: str, violations: Iterable[RuleViolation]) -> tuple[RuleViolation, ...]:
    """Return the violations of a measure, each with an id, and so their consequences.

    The ids follow from the content and not from the place: a report that adds a violation changes no other id. Of
    several with the same content, each has its own.
    """
    return tuple(_with_ids(measure_id, violations))


def _with_ids(measure_id: str, violations: Iterable[RuleViolation]) -> Iterator[RuleViolation]:
    seen: Counter[tuple[str, ...]] = Counter()
    for violation in violations:
        content = (
            violation.name or "",
            violation.conformance_target_lower or "",
            violation.conformance_target_upper or "",
            violation.conformance_target_exact or "",
        )
        seen[content] += 1
        own = violation.id or violation_id(measure_id, *content, str(seen[content]))
        consequences = tuple(_consequences(own, violation.applied_consequence))
        if own != violation.id or consequences != violation.applied_consequence:
            yield violation.model_copy(update={"id": own, "applied_consequence": consequences})
        else:
            yield violation


def _consequences(violation: str, consequences: Iterable[AppliedConsequence]) -> Iterator[AppliedConsequence]:
    seen: Counter[tuple[str, ...]] = Counter()
    for each in consequences:
        named = (each.name or "", each.applied_action or "")
        content = named if any(named) else (each.description or "",)
        seen[content] += 1
        own = each.id or consequence_id(violation, *content, str(seen[content]))
        yield each if own == each.id else each.model_copy(update={"id": own})
