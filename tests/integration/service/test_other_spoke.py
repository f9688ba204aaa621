"""A change by which the selector chooses another system is made without what moves the run; both systems are named."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.lifecycle import RunChanged
from schemas.vocabulary import UpdateKind
from southbound.simulator.behaviours import stays_pending
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from pathlib import Path


async def test_a_changed_run_stays_at_its_system_and_is_told_which_other_one_is_chosen(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_service(kafka_bootstrap, tmp_path, script=Script(default=stays_pending(None))) as service:

        async def told(kind: UpdateKind, version: int) -> list[tuple[str, str | None, str]]:
            update = await service.wait_until(
                lambda: next(
                    (one for one in service.updates("TR1") if (one.kind, one.version) == (kind, version)), None
                ),
                f"{kind} of version {version}",
            )
            return [(reason.code, reason.property_path, reason.message) for reason in update.reasons]

        await service.request(a_document("TR1", description="first"))
        await told(UpdateKind.ACCEPTED, 1)
        await service.publish(RunChanged(run=a_document("TR1", version=2, description="second", spec="copper-line")))
        ((code, path, message),) = await told(UpdateKind.CHANGE_REFUSED, 2)
        assert (code, path) == ("OTHER_SPOKE", "/testSpecification")
        assert "fibre-lab" in message
        assert "copper-lab" in message
        await told(UpdateKind.CHANGE_ACCEPTED, 2)
        await service.publish(RunChanged(run=a_document("TR1", version=3, description="third")))
        assert await told(UpdateKind.CHANGE_ACCEPTED, 3) == []
        fibre, copper = (service.systems[name].request_log for name in ("fibre-lab", "copper-lab"))
        assert [one.json() for one in fibre.requests if one.method == "PATCH"] == [
            {"description": "second"},
            {"description": "third"},
        ]
        assert (len(fibre.posts()), len(copper.posts())) == (1, 0)
        assert service.dead_letters() == []
