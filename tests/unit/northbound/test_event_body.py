"""An event is full or thin by setting, by the query of its subscription, and by its length."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from router.northbound.hub.event_body import MAX_BODY_BYTES
from router.northbound.hub.plan import RunNotice
from router.northbound.order import RunView
from schemas.run_document import Characteristic
from schemas.vocabulary import RunState
from tests.builders.runs import a_document
from tests.builders.subscriptions import PLANNER, a_subscription, published

THIN = replace(PLANNER, thin=True)
IDENTITY = {"id", "href", "@type"}


def sent(*, thin: bool, query: str = "", large: bool = False) -> list[dict[str, Any]]:
    """Return the runs in the events that a subscriber gets about a run that is accepted and ends."""
    document = a_document("TR0001")
    if large:
        much = Characteristic(name="trace", value="x" * MAX_BODY_BYTES)
        document = document.model_copy(update={"characteristic": (much,)})
    shown: list[dict[str, Any]] = []
    announced = None
    for notification, row in published(RunState.ACKNOWLEDGED, RunState.COMPLETED, document=document):
        notice = RunNotice(
            event_id=f"{row.revision}", notification=notification, view=RunView(row=row, order=None), may_wait=False
        )
        plan = (THIN if thin else PLANNER).plan(notice, announced, [a_subscription(query=query)])
        announced = plan.announced
        assert all(len(each.body) <= MAX_BODY_BYTES for each in plan.deliveries)
        shown += [json.loads(each.body)["event"]["serviceTest"] for each in plan.deliveries]
    return shown


def test_a_full_event_has_the_whole_run() -> None:
    created, ended = sent(thin=False)
    assert {"relatedService", "testSpecification", "characteristic", "state"} <= created.keys() & ended.keys()


def test_a_thin_event_has_what_identifies_the_run_and_what_changed() -> None:
    created, ended = sent(thin=True)
    assert (set(created), set(ended)) == (IDENTITY | {"name", "state"}, IDENTITY | {"state"})
    assert ended["state"] == "completed"


@pytest.mark.parametrize("thin", [True, False])
def test_a_query_that_names_fields_decides_itself(*, thin: bool) -> None:
    for run in sent(thin=thin, query="fields=relatedService"):
        assert run.keys() == IDENTITY | {"relatedService"}


@pytest.mark.parametrize("query", ["", "fields=characteristic"])
def test_an_event_that_would_be_too_long_is_thin(query: str) -> None:
    for run in sent(thin=False, large=True, query=query):
        assert run.keys() >= IDENTITY
        assert "characteristic" not in run
