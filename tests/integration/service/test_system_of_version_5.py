"""A system of TMF653 5.0 without events: a refused cancellation is found out, and a violation arrives whole."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from consumers.spokes.profile import Profile
from schemas.lifecycle import RunCancelled
from schemas.vocabulary import Result, UpdateKind
from southbound.simulator.behaviours import completes_immediately, stays_pending
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.service import ServiceUnderTest

SCRIPT = Script(
    version="5.0",
    default=stays_pending(None, cancelable=False, notifies=False, cancel_status=202),
    specifications={"fibre-quick": completes_immediately(violate_threshold=True)},
)


async def test_a_refused_cancellation_and_a_violation(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path, script=SCRIPT, started=False) as service:
        speak_version_5(service)
        await service.start()
        await service.request(a_document("TR1"), a_document("TR2", spec="fibre-quick", measures=("M1",)))
        await service.wait_until(lambda: kinds(service) or None, "the run is accepted")
        await service.publish(RunCancelled(run_id="TR1", root_run_id="TR1"))
        await service.wait_until(lambda: UpdateKind.CANCEL_REFUSED in kinds(service) or None, "the refusal")
        refusal = next(each for each in service.updates("TR1") if each.kind is UpdateKind.CANCEL_REFUSED)
        result = await service.result_of("TR2")
    assert kinds(service)[:2] == [UpdateKind.ACCEPTED, UpdateKind.CANCEL_ACCEPTED]
    assert "cannot be cancelled" in refusal.reasons[0].message
    (violation,) = result.test_measure[0].rule_violation
    (consequence,) = violation.applied_consequence
    assert result.result is Result.FAIL
    assert (consequence.name, consequence.description, consequence.repeat_action) == (
        "ticket",
        "A ticket was opened.",
        False,
    )
    assert violation.id
    assert consequence.id


def speak_version_5(service: ServiceUnderTest) -> None:
    profiles = [Profile(name=name, version="5.0", base_url=system.base_url) for name, system in service.systems.items()]
    service.rules = replace(service.rules, profiles=tuple(profiles))


def kinds(service: ServiceUnderTest) -> list[UpdateKind]:
    return [update.kind for update in service.updates("TR1")]
