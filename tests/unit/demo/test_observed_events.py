"""The demo counts the events of the output topics."""

from __future__ import annotations

from schemas.codec.cloudevents import EventHeaders
from schemas.codec.codec import Codec
from schemas.codec.envelope import Envelope, Event
from schemas.results import RequestResult
from schemas.topics import TopicNames
from schemas.vocabulary import RunState
from southbound.demo.observed_events import ObservedEvents
from southbound.demo.topic_follower import FollowedRecord
from tests.builders.runs import NOON

ENVELOPE = Envelope(Codec())
TOPICS = TopicNames("demo-")


def test_a_result_that_two_runs_published_at_the_same_moment_counts_once() -> None:
    observed = ObservedEvents(ENVELOPE, TOPICS)
    for offset in range(3):
        observed.add(a_record(offset, a_result(RunState.COMPLETED)))
    assert observed.requests == {"TREE": [a_result(RunState.COMPLETED)]}
    assert observed.events == 3


def test_two_different_results_of_one_request_both_count() -> None:
    observed = ObservedEvents(ENVELOPE, TOPICS)
    for offset, state in enumerate((RunState.COMPLETED, RunState.FAILED)):
        observed.add(a_record(offset, a_result(state)))
    assert [result.state for result in observed.requests["TREE"]] == [RunState.COMPLETED, RunState.FAILED]


def a_result(state: RunState) -> RequestResult:
    return RequestResult(
        request_id="RQ1", root_run_id="TREE", spoke="lab", hierarchical=True, state=state, occurred_at=NOON
    )


def a_record(offset: int, result: RequestResult) -> FollowedRecord:
    value, headers = ENVELOPE.encode(Event(headers=EventHeaders(id="result-of-RQ1", time=NOON), data=result))
    return FollowedRecord(
        topic=TOPICS.results,
        partition=0,
        offset=offset,
        timestamp_ms=0,
        key=b"TREE",
        value=value,
        headers=tuple(headers),
    )
