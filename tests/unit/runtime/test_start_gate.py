"""While a gate is shut, a worker reads nothing, and starts only the records that the gate admits."""

from __future__ import annotations

from dataclasses import dataclass, replace

from consumers.runtime.handler import RetryLater
from tests.harness.waiting import wait_until
from tests.harness.worker import FIRST_PARTITION, POLICY, PROBLEM, WorkerHarness


@dataclass
class ManualGate:
    """A gate that the test opens and shuts; `admitted` records may be started while it is shut."""

    shut: bool = False
    admitted: int = 0

    def is_shut(self) -> bool:
        return self.shut

    def shut_reason(self) -> str | None:
        return "the test has shut it" if self.shut else None

    def admits_record(self) -> bool:
        if not self.shut:
            return True
        self.admitted -= 1
        return self.admitted >= 0


def a_harness(gate: ManualGate) -> WorkerHarness:
    return WorkerHarness(policy=replace(POLICY, gate=gate))


async def test_a_shut_gate_pauses_the_partitions_and_an_open_one_resumes_them() -> None:
    gate = ManualGate()
    harness = a_harness(gate)
    async with harness.working():
        gate.shut = True
        await wait_until(lambda: harness.client.paused)
        harness.client.append(value=b"waits")
        gate.shut = False
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 1)
        assert harness.client.paused == set()


async def test_records_that_wait_are_not_attempted_while_the_gate_is_shut_and_go_in_order_when_it_opens() -> None:
    gate = ManualGate()
    harness = WorkerHarness(policy=replace(POLICY, gate=gate, max_in_flight=1))
    first = harness.gate(b"0")
    for number in range(20):
        harness.client.append(key=b"%d" % number, value=b"%d" % number)
    async with harness.working():
        await wait_until(lambda: harness.worker.figures().buffered == 20)
        gate.shut = True
        first.set()
        await wait_until(lambda: harness.ended == [b"0"] and harness.client.paused)
        assert harness.started == [b"0"]
        gate.shut = False
        await wait_until(lambda: harness.client.committed.get(FIRST_PARTITION) == 20)
    assert harness.ended == [b"%d" % number for number in range(20)]


async def test_while_the_gate_is_shut_one_record_per_admission_finds_out() -> None:
    gate = ManualGate(shut=True, admitted=1)
    harness = a_harness(gate)
    harness.plan = {b"0": [RetryLater(0.0, PROBLEM)] * 50}
    async with harness.working():
        gate.shut = False
        harness.gate(b"0")
        for number in range(5):
            harness.client.append(key=b"k", value=b"%d" % number)
        await wait_until(lambda: harness.started == [b"0"])
        gate.shut, gate.admitted = True, 3
        harness.gates[b"0"].set()
        await wait_until(lambda: gate.admitted < 0)
        assert harness.started == [b"0"] * 4


async def test_a_worker_whose_gate_is_shut_is_ready() -> None:
    gate = ManualGate(shut=True)
    harness = a_harness(gate)
    async with harness.working():
        await wait_until(lambda: harness.client.paused)
        assert harness.worker._intake_stopped_at is None
        assert harness.worker.unready_reason() is None
        assert harness.worker.shut_reason() == "the test has shut it"
