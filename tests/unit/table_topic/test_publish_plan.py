"""The history, the version to roll back to and the live version are the same before and after compaction."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumers.table_topic.publish_plan import (
    MAX_RECORD_BYTES,
    plan_draft,
    plan_publish,
    plan_rollback,
    rollback_version,
    size_problem,
)
from consumers.table_topic.published_tables import PublishedTables, UnreadableRecord
from schemas.published_tables import MAX_CHANGES, LiveAction, LiveChange, LivePointer, TableDraft, TableVersion
from tests.builders.published_tables import a_signature, a_table_text, an_authored_table
from tests.builders.runs import NOON

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumers.table_topic.publish_plan import PublishPlan

LogEntry = tuple[bytes | None, bytes | None]
GOLDEN = Path(__file__).parents[2] / "data" / "tables"
NOTES = ("1", "2", "3", "4")


class TableLog:
    """The records of the tables topic as a list."""

    def __init__(self, log: Sequence[LogEntry] = ()) -> None:
        self.log: list[LogEntry] = []
        self.published = PublishedTables()
        self.add(*log)

    def add(self, *entries: LogEntry) -> None:
        self.log += entries
        self.published = self.published.with_records(entries)

    @property
    def live(self) -> LivePointer:
        pointer = self.published.live("a-table")
        assert isinstance(pointer, LivePointer)
        return pointer

    @property
    def note(self) -> str:
        """The note in the text of the live version."""
        version = self.published.version("a-table", self.live.version)
        assert isinstance(version, TableVersion)
        return version.text.partition('"')[2].partition('"')[0]

    def apply(self, plan: PublishPlan) -> None:
        assert plan.is_current(self.published)
        self.add(*[(key.encode(), value) for key, value in plan.records.items()])

    def publish(self, note: str, author: str = "ann", comment: str = "") -> None:
        self.apply(
            plan_publish(
                self.published, an_authored_table(a_table_text(note)), a_signature(author, comment, len(self.log))
            )
        )

    def roll_back(self) -> None:
        version = self.published.version("a-table", rollback_version(self.live.changes) or "")
        assert isinstance(version, TableVersion)
        self.apply(plan_rollback(self.published, version, a_signature("ben", minutes=len(self.log))))


def a_table_log(*notes: str) -> TableLog:
    table_log = TableLog()
    for note in notes:
        table_log.publish(note)
    return table_log


def test_the_history_says_which_version_came_when_by_whom_and_why() -> None:
    table_log = a_table_log("1")
    table_log.publish("2", "ben", "quicker")
    newest, oldest = table_log.live.changes
    assert (newest.author, newest.comment, newest.action, newest.previous) == (
        "ben",
        "quicker",
        LiveAction.PUBLISH,
        oldest.version,
    )
    assert (oldest.author, oldest.previous) == ("ann", None)


def test_going_back_makes_the_version_before_live_and_is_itself_history() -> None:
    table_log = a_table_log("1", "2")
    table_log.roll_back()
    assert table_log.note == "1"
    assert [move.action for move in table_log.live.changes] == [
        LiveAction.ROLLBACK,
        LiveAction.PUBLISH,
        LiveAction.PUBLISH,
    ]


def test_going_back_twice_goes_back_two_versions_and_not_to_what_was_left() -> None:
    table_log = a_table_log("1", "2", "3")
    table_log.roll_back()
    table_log.roll_back()
    assert table_log.note == "1"
    assert rollback_version(table_log.live.changes) is None


def test_after_going_back_and_publishing_anew_back_is_what_was_live_in_between() -> None:
    table_log = a_table_log("1", "2")
    table_log.roll_back()
    table_log.publish("3")
    table_log.roll_back()
    assert table_log.note == "1"


def test_going_back_from_a_version_that_was_live_twice_goes_to_what_was_live_just_before() -> None:
    table_log = a_table_log("0", "1", "2", "1", "2")
    table_log.roll_back()
    table_log.roll_back()
    assert table_log.note == "2"


def test_a_version_is_written_once_whoever_publishes_it_again() -> None:
    table_log = a_table_log("1", "2", "1")
    keys = [key for key, _ in table_log.log if b"@" in (key or b"")]
    assert len(keys) == len(set(keys)) == 2


def test_publishing_a_draft_takes_it_away_and_another_draft_stays() -> None:
    table_log = TableLog()
    table_log.apply(plan_draft(an_authored_table(a_table_text("1")), a_signature()))
    assert isinstance(table_log.published.draft("a-table"), TableDraft)
    table_log.publish("2")
    assert isinstance(table_log.published.draft("a-table"), TableDraft)
    table_log.publish("1")
    assert table_log.published.draft("a-table") is None


def test_a_plan_that_was_made_before_somebody_else_published_does_not_hold_any_more() -> None:
    table_log = a_table_log("1")
    plan = plan_publish(table_log.published, an_authored_table(a_table_text("2")), a_signature())
    assert plan.is_current(table_log.published)
    table_log.publish("3")
    assert not plan.is_current(table_log.published)


def test_a_damaged_pointer_can_be_published_over() -> None:
    table_log = a_table_log("1")
    table_log.add((b"a-table", b"{"))
    assert isinstance(table_log.published.live("a-table"), UnreadableRecord)
    table_log.publish("2")
    assert table_log.note == "2"


def test_a_table_that_kafka_would_not_take_is_refused_in_one_sentence() -> None:
    plan = plan_publish(PublishedTables(), an_authored_table(a_table_text("x" * MAX_RECORD_BYTES)), a_signature())
    assert "the limit is 900,000" in (size_problem(plan) or "")
    assert (
        size_problem(
            plan_publish(
                PublishedTables(), an_authored_table(a_table_text("x" * (MAX_RECORD_BYTES - 1_000))), a_signature()
            )
        )
        is None
    )


def test_a_pointer_remembers_many_moves_and_stays_small() -> None:
    table_log = TableLog()
    for number in range(MAX_CHANGES + 20):
        table_log.publish(str(number % 7), comment="ö" * 500)
    assert len(table_log.live.changes) == MAX_CHANGES + 1
    assert table_log.live.revision == MAX_CHANGES + 20
    assert len(table_log.log[-1][1] or b"") < MAX_RECORD_BYTES / 3


def compacted(log: list[LogEntry], keep_from: int) -> list[LogEntry]:
    """Keep the last record of each key before `keep_from`, as Kafka's compaction does, and everything after it."""
    last = {key: at for at, (key, _) in enumerate(log)}
    return [entry for at, entry in enumerate(log) if at >= keep_from or last[entry[0]] == at]


steps = st.lists(st.sampled_from([*NOTES, "back", "draft"]), min_size=1, max_size=12)


def after_steps(steps_taken: list[str]) -> TableLog:
    table_log = TableLog()
    for step in steps_taken:
        if step == "draft":
            table_log.apply(plan_draft(an_authored_table(a_table_text("d")), a_signature()))
        elif step != "back":
            table_log.publish(step)
        elif table_log.published.live("a-table") and rollback_version(table_log.live.changes):
            table_log.roll_back()
    return table_log


@given(steps, st.data())
def test_compaction_changes_nothing(taken: list[str], data: st.DataObject) -> None:
    table_log = after_steps(taken)
    kept = compacted(table_log.log, data.draw(st.integers(0, len(table_log.log))))
    again = TableLog(kept)
    assert again.published == table_log.published
    if table_log.published.live("a-table"):
        assert again.live.changes == table_log.live.changes


@given(steps, st.data())
def test_it_does_not_matter_in_which_portions_the_topic_is_read(taken: list[str], data: st.DataObject) -> None:
    log = after_steps(taken).log
    at = data.draw(st.integers(0, len(log)))
    assert PublishedTables().with_records(log[:at]).with_records(log[at:]) == PublishedTables().with_records(log)


@given(st.lists(st.sampled_from([*NOTES, "back"]), max_size=12))
def test_going_back_undoes_what_was_published_last(taken: list[str]) -> None:
    table_log, standing = a_table_log("0"), ["0"]
    for step in taken:
        if step != "back":
            table_log.publish(step)
            standing += [step] * (step != standing[-1])
        elif len(standing) > 1:
            table_log.roll_back()
            standing.pop()
        assert table_log.note == standing[-1]


@pytest.mark.parametrize(("name", "model"), [("version", TableVersion), ("live", LivePointer), ("draft", TableDraft)])
def test_records_of_today_are_read_for_ever(name: str, model: type[TableVersion | LivePointer | TableDraft]) -> None:
    value = (GOLDEN / f"{name}.json").read_bytes()
    record = model.model_validate_json(value)
    assert json.loads(record.model_dump_json()) == json.loads(value)
    published = PublishedTables().with_records([(record.key.encode(), value)])
    assert published.records == {record.key: record}


def test_a_text_that_is_not_the_one_of_its_hash_is_no_version() -> None:
    value = json.loads((GOLDEN / "version.json").read_bytes())
    with pytest.raises(ValidationError, match="was changed after it was written"):
        TableVersion.model_validate_json(json.dumps({**value, "text": value["text"] + " "}))


def test_a_text_keeps_its_spaces_because_its_hash_is_its_name() -> None:
    table_log = TableLog()
    table_log.apply(plan_publish(table_log.published, an_authored_table(f"\n{a_table_text()}\n\n"), a_signature()))
    (version,) = table_log.published.versions("a-table")
    assert version.text == f"\n{a_table_text()}\n\n"


def test_a_move_is_known_by_its_time() -> None:
    assert a_table_log("1").live.changes == (
        LiveChange(
            version=an_authored_table(a_table_text("1")).version, action=LiveAction.PUBLISH, author="ann", at=NOON
        ),
    )
