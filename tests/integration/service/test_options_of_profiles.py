"""The example profile serves a system with words of its own, and a system of 5.0 is told the children of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from consumers.spokes.profile import EndOfRun, Profile
from consumers.spokes.profile_loader import load_profiles
from schemas.lifecycle import RunCancelled
from schemas.run_document import Characteristic, RequestedMeasure, ServiceRef
from schemas.vocabulary import Result, RunState, UpdateKind
from southbound.operations.run_views import status_sentences
from southbound.operations.spokes.probe import probe
from southbound.simulator.behaviours import stays_pending
from southbound.simulator.script import Script
from tests.builders.runs import a_document, a_tree
from tests.fixtures.bench_system import a_bench_system
from tests.fixtures.service import a_service

if TYPE_CHECKING:
    from schemas.run_document import RunDocument
    from tests.fixtures.service import ServiceUnderTest

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "other-words.yaml"
QUICK = {"poll_interval": 0.2, "poll_after": 0.2}


async def test_a_system_with_words_of_its_own_is_served_by_the_example(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service, a_bench_system() as system:
        (example,) = load_profiles([EXAMPLE])
        use(service, example.model_copy(update={"name": "fibre-lab", "base_url": system.base_url, **QUICK}))
        await service.start()
        await service.request(*(on_line(run_id, line) for run_id, line in LINES.items()))
        results = [await service.result_of(run_id) for run_id in ("TR1", "TR2")]

        def is_accepted() -> bool:
            return UpdateKind.ACCEPTED in [update.kind for update in service.updates("TR3")]

        await service.wait_until(is_accepted, "the acceptance of TR3")
        await service.publish(RunCancelled(run_id="TR3", root_run_id="TR3", reason="nobody needs it"))
        cancelled = await service.result_of("TR3")
        assert (cancelled.state, [reason.code for reason in cancelled.reasons]) == (
            RunState.CANCELLED,
            ["CANCEL_REQUESTED"],
        )
        assert "nobody needs it" in cancelled.reasons[0].message
        probed = [step async for step in probe(example.model_copy(update={"base_url": system.base_url}), {})]
        assert [(step.step, step.ok) for step in probed[-2:]] == [("rules", True), ("run", True)]
        assert await service.stop()
    assert [(result.result, result.test_measure[0].value) for result in results] == [
        (Result.PASS, 1012.5),
        (Result.FAIL, 1012.5),
    ]
    assert [[reason.code for reason in result.reasons] for result in results] == [[], ["VERDICT_FAIL", "STATUS_REASON"]]
    assert results[1].reasons[1].message == "line is down"
    assert sorted(job["leitung"] for job in system.jobs.values()) == ["broken", "long", "well"]
    assert service.dead_letters() == []


async def test_a_verdict_that_a_poll_read_before_the_end_does_not_count(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service, a_bench_system() as system:
        (example,) = load_profiles([EXAMPLE])
        receive = tuple(rule for rule in example.mapping.receive if rule.to != "/state")  # it names no states
        stateless = example.model_copy(
            update={
                "name": "fibre-lab",
                "base_url": system.base_url,
                "end_of_run": EndOfRun.MEASURES,
                "mapping": example.mapping.model_copy(update={"receive": receive}),
                **QUICK,
            }
        )
        use(service, stateless)
        await service.start()
        await service.request(on_line("TR1", "wavering"), on_line("TR2", "broken"))
        results = [await service.result_of(run_id) for run_id in ("TR1", "TR2")]
        assert await service.stop()
    assert [result.result for result in results] == [Result.PASS, Result.FAIL]
    assert [[reason.code for reason in result.reasons] for result in results] == [[], ["VERDICT_FAIL", "STATUS_REASON"]]
    assert service.dead_letters() == []


async def test_a_run_whose_state_the_rules_miss_says_so_once_and_why_names_the_rule(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_service(kafka_bootstrap, tmp_path, started=False) as service, a_bench_system() as system:
        (example,) = load_profiles([EXAMPLE])
        receive = tuple(rule for rule in example.mapping.receive if rule.to != "/state")
        mapping = example.mapping.model_copy(update={"receive": receive})
        missing = {"name": "fibre-lab", "base_url": system.base_url, "mapping": mapping, **QUICK}
        profile = example.model_copy(update=missing)
        use(service, profile)
        await service.start()
        await service.request(on_line("TR1", "long"))

        def told() -> list[str]:
            return [reason.message for update in service.updates("TR1") for reason in update.reasons]

        await service.wait_until(told, "the update that the run shows no state")
        polls = system.polls["4711"]
        await service.wait_until(lambda: system.polls["4711"] > polls + 2, "more polls")
        store = await service.store()
        row = await store.run("TR1")
        await store.close()
        assert row is not None
        (sentence,) = [line for line in status_sentences(row) if line.startswith("because STATE_NOT_SHOWN")]
        assert "/state in mapping.receive" in sentence
        assert "'stand'" in sentence
        *_, last = [step async for step in probe(profile, {})]
        assert (last.step, last.ok, "mapping.receive to /state" in last.detail) == ("run", False, True)
        assert len(told()) == 1
        assert await service.stop()
    assert service.dead_letters() == []


async def test_a_system_of_version_5_is_told_the_children_of_a_run(kafka_bootstrap: str, tmp_path: Path) -> None:
    script = Script(version="5.0", default=stays_pending(None))
    async with a_service(kafka_bootstrap, tmp_path, script=script, started=False) as service:
        (base_url,) = (system.base_url for name, system in service.systems.items() if name == "fibre-lab")
        use(service, Profile(name="fibre-lab", version="5.0", base_url=base_url, parent_names_children=True))
        await service.start()
        tree = a_tree("TREE", spec="fibre-tree", children=2)
        await service.request(tree)
        log = service.systems["fibre-lab"].request_log

        def names_accepted_children() -> bool:
            patches = [orjson.loads(request.body) for request in log.requests if request.method == "PATCH"]
            named = [{one["id"] for one in patch["serviceTestRelationship"]} for patch in patches]
            accepted = {update.external_id for update in service.updates() if update.run_id != "TREE"}
            return len(named) == len(tree.children) == len(named[-1]) and named[-1] <= accepted

        await service.wait_until(names_accepted_children, "a PATCH for each child, the last one with both")
        assert await service.stop()
    assert service.dead_letters() == []  # the system validates what it is sent, and refused nothing


LINES = {"TR1": "well", "TR2": "broken", "TR3": "long"}


def on_line(run_id: str, line: str) -> RunDocument:
    measure = RequestedMeasure(id="M1", metric_name="latency")
    probes = Characteristic(name="probes", value=5)
    run = a_document(run_id, description="refused if it is sent", characteristic=(probes,))
    return run.model_copy(update={"related_service": ServiceRef(id=line), "test_measure": (measure,)})


def use(service: ServiceUnderTest, profile: Profile) -> None:
    """Put a profile in the place of fibre-lab."""
    others = (each for each in service.rules.profiles if each.name != "fibre-lab")
    service.rules = replace(service.rules, profiles=(profile, *others))
