"""A process that writes runs back is killed at any moment: the table of the instance has each run once, in order."""

from __future__ import annotations

import random
import signal
from functools import partial
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from southbound.service.roles import default_roles
from southbound.settings.settings import Settings, WritebackSettings
from southbound.simulator.behaviours import completes_by_callback, completes_immediately
from southbound.simulator.instance.service_now import InstanceFault, ServiceNowInstance
from southbound.simulator.script import Script
from tests.builders.runs import a_document
from tests.fixtures.processes import a_deployment, unique_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from southbound.simulator.instance.run_table import RunRecord

RUNS = 40
KILLS = 2
SEED = 12
RANK = {"pending": 0, "acknowledged": 1, "inProgress": 2, "completed": 3}
SCRIPT = Script(
    specifications={"fibre-quick": completes_immediately(), "fibre-line": completes_by_callback(0.5)},
)
GATEWAY_ROLES = default_roles(Settings())


def target_folder(folder: Path, instance: ServiceNowInstance) -> Path:
    """Write the profile of the instance."""
    profile: dict[str, Any] = {
        "name": "desk",
        "base_url": instance.base_url,
        # The instance is in the process of the test: if that stands still for longer than both together, a POST that
        # was given up is stored after the look-up that did not show it.
        "timeouts": {"connect": 3, "read": 4, "total": 4},
        "settle_time": 4,
        "retry": {"initial_interval": 0.1, "max_interval": 0.5},
        "concurrency": 4,
    }
    targets = folder / "targets"
    targets.mkdir()
    with (targets / "desk.yaml").open("w") as stream:
        YAML(typ="safe").dump(profile, stream)
    return targets


async def test_every_run_is_in_the_table_once_and_in_order_although_the_writer_is_killed(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    dice, tag = random.Random(SEED), unique_id("desk")  # noqa: S311 - the same faults in every run of the test
    documents = [
        a_document(f"{tag}-{n}", spec=("fibre-quick", "fibre-line")[n % 2], measures=(f"{tag}-{n}-M1",))
        for n in range(RUNS)
    ]
    faults = dice.choices(tuple(InstanceFault), k=RUNS // 2)
    async with ServiceNowInstance(faults=faults, latency=0.02) as instance:
        for document in documents[: RUNS // 2]:  # the others are not known there
            instance.table.add(sys_id=document.run_id, state="pending", name=document.name)
        writeback = WritebackSettings(targets=target_folder(tmp_path, instance))
        async with a_deployment(kafka_bootstrap, tmp_path, script=SCRIPT, writeback=writeback) as deployment:
            await deployment.service.start(GATEWAY_ROLES)
            await deployment.service.request(*documents)
            for kill in range(KILLS):
                process = await deployment.start("writeback")
                writes = len(instance.requests) + dice.randint(5, RUNS // 3)
                await deployment.service.wait_until(partial(has_more_requests, instance, writes), f"kill {kill}")
                process.send(signal.SIGKILL)
                await process.wait_for_exit()
            last = await deployment.start("writeback")
            await deployment.service.wait_until(
                lambda: all(is_complete(instance.table.of_run(document.run_id)) for document in documents),
                "every run is complete at the instance",
            )
            assert deployment.service.dead_letters() == []
            last.send(signal.SIGTERM)
            assert await last.wait_for_exit() == 0, last.log_text()
        for document in documents:
            [record] = instance.table.of_run(document.run_id)
            ranks = [RANK[state] for state in record.states]
            assert ranks == sorted(ranks), record.states
            assert [measure["id"] for measure in record.fields["testMeasure"]] == [f"{document.run_id}-M1"]


def is_complete(records: Sequence[RunRecord]) -> bool:
    """Return whether a run is in the table with its end."""
    return bool(records) and records[0].fields.get("state") == "completed"


def has_more_requests(instance: ServiceNowInstance, number: int) -> bool:
    """Return whether the instance has received more than this number of requests."""
    return len(instance.requests) > number
