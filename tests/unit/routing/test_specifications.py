"""A run takes from its specification when it is routed, and keeps that whatever becomes of the specification."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from consumers.specifications.run_specifications import RunSpecifications, UnknownSpecification
from schemas.commands import SendRun
from schemas.lifecycle import RunRequested
from schemas.results import RunResult
from schemas.run_document import RequestedMeasure
from schemas.vocabulary import Phase
from tests.builders.runs import a_document, a_tree
from tests.builders.specifications import a_specification
from tests.harness.gateway import InMemoryGateway

if TYPE_CHECKING:
    from schemas.run_document import AppliedSpecification, RunDocument


@dataclass
class Known:
    """Specifications that the test changes."""

    by_id: dict[str, AppliedSpecification] = field(default_factory=dict)
    warned: list[str] = field(default_factory=list)

    def put(self, *specifications: AppliedSpecification) -> None:
        self.by_id |= {one.id: one for one in specifications}

    def gateway(self, unknown: UnknownSpecification = UnknownSpecification.ACCEPT) -> InMemoryGateway:
        applied = RunSpecifications(
            known=lambda: self.by_id, unknown=unknown, on_unknown=lambda run: self.warned.append(run.run_id)
        )
        return InMemoryGateway(specifications=applied)


@pytest.fixture
def known() -> Known:
    return Known()


def sent(gateway: InMemoryGateway) -> dict[str, RunDocument]:
    events = [event.data for event in gateway.published_events()]
    return {data.run.run_id: data.run for data in events if isinstance(data, SendRun)}


def measure_ids(run: RunDocument) -> list[str]:
    return [measure.id for measure in run.test_measure]


async def test_the_result_of_a_run_without_measures_has_the_ids_of_its_specification(known: Known) -> None:
    known.put(a_specification("fibre-line", "TM-1", "TM-2"))
    gateway = known.gateway()
    await gateway.process_request(a_document())
    measures = [{"metricName": f"metric {name}", "value": {"name": "v", "value": 1}} for name in ("TM-2", "TM-1")]
    await gateway.process_callback("ext-TR0001", state="completed", testMeasure=measures)
    [result] = [event.data for event in gateway.published_events() if isinstance(event.data, RunResult)]
    assert [measure.id for measure in result.test_measure] == ["TM-2", "TM-1"]
    assert measure_ids(sent(gateway)["TR0001"]) == ["TM-1", "TM-2"]
    assert sent(gateway)["TR0001"] == gateway.store.runs["TR0001"].requested == gateway.store.runs["TR0001"].sent


@pytest.mark.parametrize("changed", ["changed", "deleted"])
@pytest.mark.parametrize("unknown", [*UnknownSpecification])
async def test_a_request_that_is_read_again_is_the_same_whatever_became_of_its_specification(
    known: Known, changed: str, unknown: UnknownSpecification
) -> None:
    known.put(a_specification("fibre-line", "TM-1"))
    gateway = known.gateway(unknown)
    await gateway.process_request(a_document())
    before = {event.id: event.data for event in gateway.published_events()}
    if changed == "deleted":
        known.by_id.clear()
    else:
        known.put(a_specification("fibre-line", "TM-8", "TM-9", revision=2))
    await gateway.process_request(a_document())
    assert {event.id: event.data for event in gateway.published_events()} == before
    assert not gateway.dead_lettered


async def test_a_change_keeps_the_specification_that_the_run_was_routed_with(known: Known) -> None:
    known.put(a_specification("fibre-line", "TM-1"))
    gateway = known.gateway()
    gateway.profile = {"patchable": ["description"]}
    await gateway.process_request(a_document())
    known.put(a_specification("fibre-line", "TM-8", "TM-9", revision=2))
    await gateway.process_change(a_document(version=2, description="another"))
    row = gateway.store.runs["TR0001"]
    assert (row.accepted_version, row.requested.description) == (2, "another")
    assert measure_ids(row.requested) == ["TM-1"]
    assert not gateway.dead_lettered


async def test_children_take_from_their_own_specifications_also_those_that_a_change_adds(known: Known) -> None:
    known.put(a_specification("fibre-tree", "TM-1"), a_specification("fibre-tree-child", "TM-2"))
    gateway = known.gateway()
    await gateway.process_request(a_tree(children=1))
    await gateway.process_change(a_tree(children=2, version=2))
    assert {run_id: measure_ids(run) for run_id, run in sent(gateway).items()} == {
        "TR0001": ["TM-1"],
        "TR0001-1": ["TM-2"],
        "TR0001-2": ["TM-2"],
    }
    assert not gateway.dead_lettered


async def test_children_that_arrive_alone_take_from_their_specifications(known: Known) -> None:
    known.put(a_specification("fibre-tree", "TM-1"), a_specification("fibre-line", "TM-2"))
    gateway = known.gateway()
    child = a_document("C1", parent="TR0001")
    await gateway.process_request(a_document(spec="fibre-tree", child_run_ids=("C1",)))
    await gateway.process_request(child)
    assert measure_ids(sent(gateway)["C1"]) == ["TM-2"]
    await gateway.process_request(child, "again")
    assert [event.data.run.run_id for event in gateway.published_events() if isinstance(event.data, SendRun)] == [
        "TR0001",
        "C1",
    ]
    assert not gateway.dead_lettered


async def test_a_run_of_an_unknown_specification_is_refused_until_it_is_known(known: Known) -> None:
    gateway = known.gateway(UnknownSpecification.REFUSE)
    await gateway.process_request(a_document())
    assert gateway.dead_letter_codes() == ["SPECIFICATION_UNKNOWN"]
    assert not sent(gateway)
    known.put(a_specification("fibre-line", "TM-1"))
    gateway.redeliver(gateway.dead_lettered[0][0])
    await gateway.run_until_idle()
    assert measure_ids(sent(gateway)["TR0001"]) == ["TM-1"]


async def test_a_child_of_an_unknown_specification_refuses_its_request_only_if_it_is_sent(known: Known) -> None:
    known.put(a_specification("fibre-tree"), a_specification("fibre-flat"))
    gateway = known.gateway(UnknownSpecification.REFUSE)
    await gateway.process_request(a_tree("TR1"))
    await gateway.process_request(a_tree("TR2", spec="fibre-flat"))
    assert gateway.dead_letter_codes() == ["SPECIFICATION_UNKNOWN"]
    assert [*sent(gateway)] == ["TR2"]


async def test_a_child_that_arrives_late_and_is_refused_is_given_up(known: Known) -> None:
    known.put(a_specification("fibre-tree"), a_specification("fibre-line"))
    gateway = known.gateway(UnknownSpecification.REFUSE)
    await gateway.process_request(a_tree(children=1, child_run_ids=("C1",)).model_copy(update={"children": ()}))
    await gateway.process_request(a_document("C1", parent="TR0001"))
    await gateway.process_change(
        a_document(spec="fibre-tree", child_run_ids=("C1", "C2"), version=2), "names another child"
    )
    await gateway.process_request(a_document("C2", spec="nobody-knows", parent="TR0001"))
    assert gateway.store.runs["C2"].phase is Phase.FALLOUT
    assert gateway.dead_letter_codes() == ["SPECIFICATION_UNKNOWN"]


async def test_a_run_of_an_unknown_specification_is_accepted_with_a_warning(known: Known) -> None:
    gateway = known.gateway(UnknownSpecification.WARN)
    await gateway.process_request(a_document())
    assert [*sent(gateway)] == ["TR0001"]
    assert known.warned == ["TR0001"]


async def test_another_version_than_the_one_that_is_named_is_unknown(known: Known) -> None:
    known.put(a_specification("fibre-line", "TM-1", version="2"))
    gateway = known.gateway(UnknownSpecification.REFUSE)
    other, same = (
        a_document(run_id).model_copy(
            update={"test_specification": a_document().test_specification.model_copy(update={"version": version})}
        )
        for run_id, version in (("TR1", "1"), ("TR2", "2"))
    )
    await gateway.process_request(other)
    await gateway.process_request(same)
    assert [*sent(gateway)] == ["TR2"]


async def test_a_measure_that_gets_no_id_is_a_dead_letter_with_and_without_specification(known: Known) -> None:
    gateway = known.gateway()
    unnamed = a_document().model_copy(update={"test_measure": (RequestedMeasure(metric_name="speed"),)})
    gateway.produce(gateway.names.lifecycle, RunRequested(run=unnamed), "unnamed")
    await gateway.run_until_idle()
    assert gateway.dead_letter_codes() == ["MEASURE_ID_UNKNOWN"]
    known.put(a_specification("fibre-line", {"id": "TM-1", "metricName": "speed"}))
    await gateway.process_request(unnamed)
    assert measure_ids(sent(gateway)["TR0001"]) == ["TM-1"]


async def test_a_specification_that_the_ordering_service_wrote_is_ignored(known: Known) -> None:
    gateway = known.gateway()
    await gateway.process_request(a_document(specification=a_specification("fibre-line", "TM-1")))
    assert sent(gateway)["TR0001"] == a_document()
