"""What an operator redrives goes through the service again, with its history."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

from schemas.lifecycle import RunCancelled, RunRequested
from southbound.exit_codes import ExitCode
from tests.builders.runs import a_document
from tests.fixtures.command_shell import CommandShell

if TYPE_CHECKING:
    from pathlib import Path

    from tests.fixtures.service import ConsumedEvent, ServiceUnderTest


class DeadLetterShell:
    """Runs commands beside a service."""

    def __init__(self, service: ServiceUnderTest, folder: Path) -> None:
        kafka = service.settings.kafka
        variables = {"SOUTHBOUND_KAFKA__BOOTSTRAP": kafka.servers, "SOUTHBOUND_KAFKA__PREFIX": kafka.prefix}
        self._shell = CommandShell(folder=folder, variables=variables, prefix=kafka.prefix, bootstrap=kafka.servers)

    async def run(self, *words: str, code: ExitCode = ExitCode.SUCCESS) -> str:
        """Run a command about dead letters, and return its output."""
        ended = await asyncio.to_thread(self._shell.southbound, "dlq", *words)
        assert ended.returncode == code, ended.stderr
        return ended.stdout + ended.stderr

    async def open_letters(self) -> dict[str, tuple[str, str]]:
        """Return class and run of the open dead letters by their code."""
        listed = [json.loads(line) for line in (await self.run("list", "--json")).splitlines()]
        return {letter["code"]: (letter["class"], letter.get("run", "")) for letter in listed}


async def letters_with(service: ServiceUnderTest, code: str, count: int) -> list[ConsumedEvent]:
    def found() -> list[ConsumedEvent]:
        letters = [one for one in service.dead_letters() if one.header("southbound-dlq-code") == code]
        return letters if len(letters) >= count else []

    return await service.wait_until(found, f"{count} dead letters {code}")


async def test_dead_letters_of_three_kinds_are_named_and_what_was_repaired_succeeds(
    service: ServiceUnderTest, tmp_path: Path
) -> None:
    operator = DeadLetterShell(service, tmp_path)
    await service.produce(service.topics.lifecycle, b"TR0001", b"\xffrubbish")
    await service.request(a_document("TR0002", spec="satellite-link"))
    await service.publish(RunCancelled(run_id="TR0003", root_run_id="TR0003"))
    for code in ("UNDECODABLE", "NO_ROW_MATCHES", "UNKNOWN_RUN"):
        await letters_with(service, code, 1)
    assert await operator.open_letters() == {
        "UNDECODABLE": ("undecodable", ""),
        "NO_ROW_MATCHES": ("routing", "TR0002"),
        "UNKNOWN_RUN": ("rejected", "TR0003"),
    }
    document = a_document("TR0003")
    edited = tmp_path / "event.json"
    edited.write_text(json.dumps({"type": "RunRequested", "data": RunRequested(run=document).model_dump(mode="json")}))
    await operator.run("redrive", "--reason", "UNDECODABLE", "--edit", str(edited))
    await service.result_of("TR0003")
    await operator.run("drop", "--reason", "NO_ROW_MATCHES", "--comment", "ordered by mistake")
    await operator.run("redrive", "--run", "TR0003")
    assert await operator.open_letters() == {}
    assert await service.stop()


async def test_a_cause_that_is_not_repaired_is_not_redriven_for_ever(service: ServiceUnderTest, tmp_path: Path) -> None:
    operator = DeadLetterShell(service, tmp_path)
    await service.request(a_document("TR0002", spec="satellite-link"))
    for redrives in range(3):
        await letters_with(service, "NO_ROW_MATCHES", redrives + 1)
        assert "1 dead letter redriven" in await operator.run("redrive", "--reason", "NO_ROW_MATCHES")
    letters = await letters_with(service, "NO_ROW_MATCHES", 4)
    assert [one.header("southbound-dlq-redrives") for one in letters] == ["0", "1", "2", "3"]
    first, letter = letters[0], letters[-1]
    assert letter.header("southbound-dlq-first-time") == first.header("southbound-dlq-first-time")
    assert letter.value == first.value
    refused = await operator.run("redrive", "--reason", "NO_ROW_MATCHES", code=ExitCode.INVALID_INPUT)
    assert "1 dead letter failed again after 3 or more redrives" in refused
    assert await service.stop()
