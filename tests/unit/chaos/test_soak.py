"""What grows under load is told apart from what is only noisy."""

from __future__ import annotations

from tests.chaos.conductor.soak import SMALL, SoakSample, judge_flatness


def samples(growth: float, *, process: int = 1, count: int = 60, noise: int = 0) -> list[SoakSample]:
    return [
        SoakSample(
            at=float(number),
            ended=number,
            worker="worker-1",
            process=process,
            memory_kib=int(150_000 * (1 + growth * number / count)) + noise * (number % 2),
            files=40,
            threads=8,
            tasks=40,
            series=300,
            store_bytes_per_run=3_000,
        )
        for number in range(count)
    ]


def test_steady_memory_with_noise_is_flat() -> None:
    verdicts = judge_flatness(samples(0.0, noise=4_000))
    assert set(verdicts) == {f"worker-1 {name}" for name in SMALL}
    assert all(verdict["flat"] for verdict in verdicts.values())


def test_memory_that_grows_by_a_third_is_not_flat() -> None:
    verdicts = judge_flatness(samples(0.33))
    assert [name for name, verdict in verdicts.items() if not verdict["flat"]] == ["worker-1 memory_kib"]


def test_the_processes_of_one_worker_are_not_compared_with_each_other() -> None:
    verdicts = judge_flatness([*samples(0.0), *samples(0.0, process=2, count=5, noise=500_000)])
    assert all(verdict["flat"] for verdict in verdicts.values())


def test_too_few_samples_are_not_judged() -> None:
    assert judge_flatness(samples(0.5, count=10)) == {}
