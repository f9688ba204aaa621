"""The page for consumers of results has every field of what is published."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from schemas.results import (
    AppliedConsequence,
    Reason,
    ReportedMeasure,
    RequestProgress,
    RequestResult,
    RuleViolation,
    RunOutcome,
    RunResult,
    RunUpdate,
    TolerancePeriod,
)
from schemas.vocabulary import MeasureIdOrigin, Result

if TYPE_CHECKING:
    from schemas.base import Model

PAGE = Path(__file__).parents[3] / "docs/how-to/consume-results.md"
NAMED = set(re.findall(r"`([A-Za-z_]+)`", PAGE.read_text(encoding="utf-8")))
MODELS: list[type[Model]] = [
    RunUpdate,
    RunResult,
    RequestResult,
    RequestProgress,
    RunOutcome,
    Reason,
    ReportedMeasure,
    RuleViolation,
    TolerancePeriod,
    AppliedConsequence,
]


@pytest.mark.parametrize("model", MODELS)
def test_the_page_has_every_field(model: type[Model]) -> None:
    assert set(model.model_fields) <= NAMED


def test_the_page_has_every_verdict_and_every_way_in_which_a_measure_was_found() -> None:
    assert {*MeasureIdOrigin, *Result} <= NAMED
