"""Build the problems of records of a source, each with one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from schemas.problem import Problem

if TYPE_CHECKING:
    from router.northbound.errors import ApiRefusedError


def record_unreadable(source: str, reason: str) -> Problem:
    """Return the problem of a record that is not what its source says."""
    return Problem(
        code="STREAM_RECORD_UNREADABLE",
        sentence=f"The record of the source {source} cannot be read, because {reason}: correct its producer or the "
        "profile of the source, then redrive or drop this record.",
    )


def registry_unavailable(reason: str) -> Problem:
    """Return why a record is attempted again: the registry that has the schema of its value does not answer."""
    return Problem(code="REGISTRY_UNAVAILABLE", sentence=f"The schema of this record cannot be fetched: {reason}")


def source_unknown(name: str) -> Problem:
    """Return the problem of a redriven record whose source has no profile any more."""
    return Problem(
        code="UNKNOWN_STREAM",
        sentence=f"No profile in streams.sources is named {name[:100]!r}: add it, then redrive this record.",
    )


def order_refused(source: str, error: ApiRefusedError) -> Problem:
    """Return the problem of a `ServiceTest` that orders or changes nothing, because it breaks a rule."""
    places = [f"{mistake.pointer or '(whole body)'}: {mistake.sentence}" for mistake in error.mistakes]
    return Problem(
        code="ORDER_REFUSED",
        sentence=f"What the source {source} orders is refused: {error}",
        detail="\n".join(places),
    )


def order_unpublished() -> Problem:
    """Return why a record is attempted again: its order is stored, and Kafka does not have its event yet."""
    return Problem(
        code="PUBLISH_FAILED", sentence="The order is stored, and Kafka has not acknowledged its event: it is repeated."
    )


def run_changed_meanwhile() -> Problem:
    """Return why a record is attempted again: others change its run all the time."""
    return Problem(code="CONFLICT", sentence="Others change the run of this record at the same time: it is repeated.")


def parent_missing(error: ApiRefusedError) -> Problem:
    """Return why a record is attempted again: it may have overtaken the order of its parent."""
    return Problem(code="PARENT_MISSING", sentence=f"The parent of the run may still be ordered: {error}")


def order_missing() -> Problem:
    """Return why a cancellation waits: it may have overtaken the order of its run on another cluster."""
    return Problem(
        code="ORDER_MISSING",
        sentence="The run of this cancellation is not known: it may still arrive on another cluster.",
    )


def run_not_readable(run_id: str, target: str) -> Problem:
    """Return the problem of a changed run that the target does not have."""
    return Problem(
        code="TARGET_WITHOUT_RUN",
        sentence=f"{target} does not have run {run_id}, which it said has changed: check the rights of the user (a run "
        "that it may not see is not found either), then redrive this record.",
    )
