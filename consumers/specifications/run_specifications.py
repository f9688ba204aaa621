"""Apply the test specification of a run when it is routed, or refuse the run because none is known."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from router.specifications.enrichment import (
    apply_specification,
    find_specification,
    unidentified_measure,
    without_specification,
)
from schemas.problem import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from schemas.run_document import AppliedSpecification, RunDocument

NONE_KNOWN: Mapping[str, AppliedSpecification] = MappingProxyType({})


class UnknownSpecification(StrEnum):
    """What is done with a run whose specification is not known."""

    ACCEPT = "accept"
    WARN = "warn"
    REFUSE = "refuse"


def _none_known() -> Mapping[str, AppliedSpecification]:
    return NONE_KNOWN


def _ignore(_: RunDocument) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSpecifications:
    """Applies specifications to runs. `known` returns those of this moment by id and is called once per run.

    `on_unknown` is called for each run of an unknown specification that is accepted with a warning.
    """

    known: Callable[[], Mapping[str, AppliedSpecification]] = _none_known
    unknown: UnknownSpecification = UnknownSpecification.ACCEPT
    on_unknown: Callable[[RunDocument], None] = _ignore

    def apply(self, run: RunDocument) -> RunDocument | Problem:
        """Return the run with what it takes from its specification, or why it is not routed."""
        specification = find_specification(self.known(), run.test_specification)
        if specification is not None:
            run = apply_specification(run, specification)
        elif self.unknown is UnknownSpecification.REFUSE:
            return specification_unknown(run)
        else:
            run = without_specification(run)
            if self.unknown is UnknownSpecification.WARN:
                self.on_unknown(run)
        return unidentified_measure(run) or run

    def apply_all(self, runs: Sequence[RunDocument]) -> list[RunDocument] | Problem:
        """Return the runs with what each takes, or why one of them is not routed."""
        applied: list[RunDocument] = []
        for run in runs:
            one = self.apply(run)
            if isinstance(one, Problem):
                return one
            applied.append(one)
        return applied


def specification_unknown(run: RunDocument) -> Problem:
    """Return the problem of a run whose specification is not known."""
    version = f" in version {run.test_specification.version[:80]}" if run.test_specification.version else ""
    return Problem(
        code="SPECIFICATION_UNKNOWN",
        sentence=f"Run {run.run_id} is of test specification {run.test_specification.id[:200]}{version}, which is not "
        "known: add it with `southbound specs apply FILE`, then redrive this record.",
    )


NO_SPECIFICATIONS = RunSpecifications()
