"""Measure what applying test specifications costs per 1,000 requested runs.

python -m tests.benchmarks.bench_specifications
"""

from __future__ import annotations

import time
from statistics import median
from typing import TYPE_CHECKING

from consumers.specifications.run_specifications import NO_SPECIFICATIONS, RunSpecifications
from router.specifications.enrichment import as_ordered
from schemas.codec.codec import Codec
from schemas.commands import SendRun
from schemas.lifecycle import RunRequested
from schemas.run_document import RunDocument
from tests.builders.runs import SINGLE, a_document
from tests.builders.specifications import a_definition, a_specification

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

CODEC = Codec()
RUNS = 1_000
ROUNDS = 21  # the arms alternate, so that a change of the machine's speed reaches all of them
KNOWN = {
    spec_id: a_specification(spec_id, *[a_definition(f"TM-{number}", unitOfMeasure="Mbit/s") for number in range(1, 5)])
    for spec_id in (f"spec-{number}" for number in range(100))
}


def documents(*, measures: int, spec: str) -> list[RunDocument]:
    """Return runs with this many measures, each with an id and the name of its metric."""
    ids = tuple(f"TM-{number}" for number in range(1, measures + 1))
    return [a_document(f"TR{number}", spec=spec.format(number % 100), measures=ids) for number in range(RUNS)]


def apply_all(specifications: RunSpecifications, runs: Sequence[RunDocument]) -> None:
    """Do what routing does with each run."""
    for run in runs:
        applied = specifications.apply(as_ordered(run))
        assert isinstance(applied, RunDocument)


def encode_all(runs: Sequence[RunDocument]) -> None:
    """Encode the command of each run and read it again, as between routing and dispatch."""
    for run in runs:
        CODEC.decode(CODEC.encode(SendRun(run=run, request_id="R", spoke="fibre-lab", decision=SINGLE)))


def decode_all(values: Sequence[bytes]) -> None:
    """Decode requested runs."""
    for value in values:
        CODEC.decode(value)


def arms() -> dict[str, Callable[[], None]]:
    """Return what is measured, by its name."""
    known = RunSpecifications(known=lambda: KNOWN)
    given, none = documents(measures=4, spec="spec-{}"), documents(measures=0, spec="spec-{}")
    unknown = documents(measures=4, spec="unknown-{}")
    taken = [run for run in map(known.apply, none) if isinstance(run, RunDocument)]
    events = [CODEC.encode(RunRequested(run=run)) for run in given]
    return {
        "no specifications, runs with 4 measures": lambda: apply_all(NO_SPECIFICATIONS, given),
        "no specifications, runs without measures": lambda: apply_all(NO_SPECIFICATIONS, none),
        "100 known, runs without measures take 4": lambda: apply_all(known, none),
        "100 known, runs with 4 measures take their units": lambda: apply_all(known, given),
        "100 known, runs of an unknown one": lambda: apply_all(known, unknown),
        "decode RunRequested with 4 measures": lambda: decode_all(events),
        "command to dispatch, 4 measures of the run itself": lambda: encode_all(given),
        "command to dispatch, 4 measures taken": lambda: encode_all(taken),
    }


def main() -> None:
    """Print the median CPU time of each arm, in milliseconds per 1,000 runs."""
    measured = arms()
    times: dict[str, list[float]] = {name: [] for name in measured}
    for _ in range(ROUNDS):
        for name, arm in measured.items():
            start = time.process_time()
            arm()
            times[name].append(time.process_time() - start)
    for name, seconds in times.items():
        print(f"{name:52} {median(seconds) * 1000:8.2f} ms (fastest {min(seconds) * 1000:.2f})")  # noqa: T201 - the result


if __name__ == "__main__":
    main()
