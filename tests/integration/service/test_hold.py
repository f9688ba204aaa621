"""On a topic that holds, later records of a key wait behind its dead letter, also if the service is restarted."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from schemas.lifecycle import RunCancelled, RunRequested
from southbound.settings.settings import WorkerSettings
from tests.builders.runs import a_document
from tests.fixtures.service import a_service
from tests.integration.service.test_redrives import DeadLetterShell, letters_with

if TYPE_CHECKING:
    from pathlib import Path

HOLD = WorkerSettings(commit_every=0.2, hold="lifecycle")


async def test_later_records_wait_are_visible_and_follow_in_order_after_an_edited_redrive(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_service(kafka_bootstrap, tmp_path, worker=HOLD) as service:
        operator = DeadLetterShell(service, tmp_path)
        await service.produce(service.topics.lifecycle, b"TR0001", b"\xffrubbish")
        (letter,) = await letters_with(service, "UNDECODABLE", 1)
        assert letter.header("southbound-dlq-hold") == "yes"
        await service.publish(RunCancelled(run_id="TR0001", root_run_id="TR0001"))
        await service.request(a_document("TR0002"))
        await service.result_of("TR0002")  # another key goes on
        (held,) = [json.loads(line) for line in (await operator.run("list", "--held", "--json")).splitlines()[:1]]
        assert (held["key"], held["code"], held["type"]) == ("TR0001", "UNDECODABLE", "southbound.RunCancelled")
        assert await service.stop()
        await service.start()
        await service.request(a_document("TR0003"))
        await service.result_of("TR0003")
        assert len(service.dead_letters()) == 1  # not attempted again, and the cancellation did not pass it
        edited = tmp_path / "event.json"
        request = RunRequested(run=a_document("TR0001"))
        edited.write_text(json.dumps({"type": "RunRequested", "data": request.model_dump(mode="json")}))
        assert "where they wait" in await operator.run("redrive", "--run", "TR0001", "--all", "--edit", str(edited))
        # The request was processed before the cancellation that waited behind it, so that it found its run.
        await service.wait_until(
            lambda: (
                any("ancel" in one.kind for one in service.updates("TR0001"))
                or any(one.run_id == "TR0001" for one in service.results())
            ),
            "the cancellation",
        )
        assert await operator.open_letters() == {}
        assert len(service.dead_letters()) == 1  # neither the request nor the cancellation is one
        assert await service.stop()


async def test_a_dropped_dead_letter_lets_the_later_records_follow(kafka_bootstrap: str, tmp_path: Path) -> None:
    async with a_service(kafka_bootstrap, tmp_path, worker=HOLD) as service:
        operator = DeadLetterShell(service, tmp_path)
        await service.produce(service.topics.lifecycle, b"TR0001", b"\xffrubbish")
        await letters_with(service, "UNDECODABLE", 1)
        await service.request(a_document("TR0001"))
        await service.request(a_document("TR0002"))
        await service.result_of("TR0002")
        assert not service.updates("TR0001")
        await operator.run("drop", "--reason", "UNDECODABLE")
        await service.result_of("TR0001")
        assert "0 records wait behind 0 dead letters" in await operator.run("list", "--held")
        assert await service.stop()


async def test_a_held_record_that_fails_again_is_a_dead_letter_with_one_redrive_more(
    kafka_bootstrap: str, tmp_path: Path
) -> None:
    async with a_service(kafka_bootstrap, tmp_path, worker=HOLD) as service:
        operator = DeadLetterShell(service, tmp_path)
        await service.request(a_document("TR0002", spec="satellite-link"))
        for redrives in range(2):
            letters = await letters_with(service, "NO_ROW_MATCHES", redrives + 1)
            assert [one.header("southbound-dlq-redrives") for one in letters][redrives:] == [str(redrives)]
            assert letters[-1].header("southbound-dlq-attempts") == "1"
            await operator.run("redrive", "--reason", "NO_ROW_MATCHES")
        letters = await letters_with(service, "NO_ROW_MATCHES", 3)
        assert len({one.header("southbound-dlq-first-time") for one in letters}) == 1
        assert len({one.header("southbound-dlq-offset") for one in letters}) == 1
        assert await service.stop()
