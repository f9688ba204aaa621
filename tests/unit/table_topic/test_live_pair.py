"""A worker uses the live tables of the topic. An unusable version changes nothing and is reported."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from consumers.routing.decide import Decider, Route
from consumers.table_topic.live_pair import LivePair, PublishedTableIds
from consumers.table_topic.port import TableTopicRead
from consumers.table_topic.publish_plan import TableSubmission, plan_publish, plan_rollback, rollback_version
from consumers.table_topic.published_tables import PublishedTables
from schemas.published_tables import LivePointer, TableKind, TableVersion
from tests.builders.published_tables import a_signature
from tests.builders.runs import a_document
from tests.harness.gateway import POLICY, SELECTOR

if TYPE_CHECKING:
    from consumers.table_topic.port import Entry
    from consumers.table_topic.publish_plan import PublishPlan

ALWAYS_HIERARCHICAL = POLICY.replace("hierarchical: false", "hierarchical: true")
MOON_LAB_SELECTOR = SELECTOR.replace("fibre-lab", "moon-lab")
BROKEN = POLICY.replace("fibre-tree}", '"[1..2"}')
SPOKES = ("fibre-lab", "moon-lab")


@dataclass(slots=True)
class ObservedTables:
    """Records the calls of the observer port."""

    live_versions: list[tuple[str, str, str | None]] = field(default_factory=list)
    refusals: list[tuple[str, str, str | None]] = field(default_factory=list)
    agreements: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def version_live(self, table: str, version: str, previous_version: str | None) -> None:
        self.live_versions.append((table, version, previous_version))

    def version_refused(self, table: str, reason: str, active_version: str | None) -> None:
        self.refusals.append((table, reason, active_version))

    def version_accepted(self, table: str) -> None:
        self.agreements.append(table)

    def follow_failed(self, reason: str) -> None:
        self.problems.append(reason)


@dataclass(slots=True)
class LiveTablesRig:
    """An in-memory tables topic and the tables that follow it."""

    log: list[Entry] = field(default_factory=list)
    observer: ObservedTables = field(default_factory=ObservedTables)
    tables: LivePair = field(init=False)
    _told: int = 0

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Act as a new process, which reads the topic from its beginning."""
        ids = PublishedTableIds(policy="outbound-policy", selector="spoke-selector")
        self.tables, self._told = LivePair(ids, SPOKES, self.observer), 0

    @property
    def published(self) -> PublishedTables:
        return PublishedTables().with_records(self.log)

    def publish(self, text: str) -> str:
        kind = TableKind.SELECTOR if "selector:" in text else TableKind.POLICY
        table = "spoke-selector" if kind is TableKind.SELECTOR else "outbound-policy"
        written = TableSubmission(table=table, kind=kind, text=text)
        self.put(plan_publish(self.published, written, a_signature()))
        return written.version

    def roll_back(self, table: str) -> None:
        live = self.published.live(table)
        assert isinstance(live, LivePointer)
        before = self.published.version(table, rollback_version(live.changes) or "")
        assert isinstance(before, TableVersion)
        self.put(plan_rollback(self.published, before, a_signature()))

    def put(self, plan: PublishPlan) -> None:
        self.log += [(key.encode(), value) for key, value in plan.records.items()]

    async def follow(self, *, at_end: bool = True) -> None:
        """Read what was put on the topic since the last call."""
        news, self._told = tuple(self.log[self._told :]), len(self.log)
        await self.tables.process(TableTopicRead(entries=news, at_end=at_end))

    @property
    def versions(self) -> tuple[str, str]:
        pair = self.tables.current()
        return pair.policy.table.version, pair.selector.table.version


async def a_rig_with_live_tables() -> LiveTablesRig:
    """Return a rig in which both tables are live."""
    rig = LiveTablesRig()
    rig.publish(POLICY)
    rig.publish(SELECTOR)
    await rig.follow()
    return rig


async def test_nothing_is_decided_before_both_tables_are_live_and_missing_ones_are_named() -> None:
    rig = LiveTablesRig()
    assert "being read" in (rig.tables.missing or "")
    await rig.follow()
    assert rig.tables.missing == (
        "no policy outbound-policy is live: publish one with `southbound tables publish FILE`; "
        "no selector spoke-selector is live: publish one with `southbound tables publish FILE`"
    )
    rig.publish(POLICY)
    await rig.follow()
    assert "outbound-policy" not in (rig.tables.missing or "")
    with pytest.raises(TypeError):
        rig.tables.current()
    rig.publish(SELECTOR)
    await rig.follow()
    assert rig.tables.missing is None


async def test_versions_replaced_before_the_end_of_the_topic_are_never_used() -> None:
    rig = LiveTablesRig()
    rig.publish(POLICY)
    rig.publish(SELECTOR)
    await rig.follow(at_end=False)
    assert rig.tables.missing is not None
    newer = rig.publish(ALWAYS_HIERARCHICAL)
    await rig.follow()
    assert [version for table, version, _ in rig.observer.live_versions if table == "outbound-policy"] == [newer]


async def test_a_published_version_decides_the_next_run_and_the_decision_names_it() -> None:
    rig = await a_rig_with_live_tables()
    decide = Decider(tables=rig.tables.current)
    before = decide.decide(a_document(spec="fibre-line"))
    version = rig.publish(ALWAYS_HIERARCHICAL)
    await rig.follow()
    after = decide.decide(a_document(spec="fibre-line"))
    assert isinstance(before, Route)
    assert isinstance(after, Route)
    assert (before.decision.hierarchical, after.decision.hierarchical) == (False, True)
    assert after.decision.policy == f"outbound-policy@{version}#R3"


async def test_two_tables_published_together_are_replaced_together() -> None:
    rig = await a_rig_with_live_tables()
    versions = rig.publish(ALWAYS_HIERARCHICAL), rig.publish(MOON_LAB_SELECTOR)
    await rig.follow()
    assert rig.versions == versions


async def test_a_version_with_a_mistake_keeps_the_previous_one_and_the_cell_is_reported() -> None:
    rig = await a_rig_with_live_tables()
    before = rig.versions
    version = rig.publish(BROKEN)
    await rig.follow()
    assert rig.versions == before
    ((table, why, kept),) = rig.observer.refusals
    assert (table, kept) == ("outbound-policy", before[0])
    assert f"outbound-policy@{version}:9: row R1, column 'spec'" in why
    assert rig.tables.warnings == {"outbound-policy": f"still decided by outbound-policy@{before[0]}: {why}"}


async def test_a_selector_that_names_a_spoke_without_a_profile_keeps_the_previous_one() -> None:
    rig = await a_rig_with_live_tables()
    before = rig.versions
    rig.publish(SELECTOR.replace("moon-lab", "mars-lab"))
    await rig.follow()
    assert rig.versions == before
    assert "mars-lab" in rig.tables.warnings["spoke-selector"]


async def test_a_rollback_to_the_version_in_use_ends_the_alarm() -> None:
    rig = await a_rig_with_live_tables()
    before = rig.versions
    rig.publish(BROKEN)
    await rig.follow()
    rig.observer.agreements.clear()
    rig.roll_back("outbound-policy")
    await rig.follow()
    assert (rig.versions, rig.tables.warnings, rig.observer.agreements) == (before, {}, ["outbound-policy"])


async def test_a_refused_version_is_not_tried_again_with_every_record_of_another_table() -> None:
    rig = await a_rig_with_live_tables()
    rig.publish(BROKEN)
    await rig.follow()
    rig.publish(MOON_LAB_SELECTOR)
    await rig.follow()
    assert len(rig.observer.refusals) == 1
    assert rig.tables.current().selector.table.rows[0].outputs["spoke"] == "moon-lab"


async def test_a_process_that_starts_while_an_unusable_version_is_live_uses_the_previous_one() -> None:
    rig = await a_rig_with_live_tables()
    before = rig.versions
    rig.publish(BROKEN)
    rig.publish(BROKEN.replace("[1..2", "[2..3"))
    rig.restart()
    await rig.follow()
    assert rig.versions == before
    assert rig.tables.warnings.keys() == {"outbound-policy"}


async def test_a_process_that_starts_with_only_an_unusable_version_reports_its_mistakes() -> None:
    rig = LiveTablesRig()
    rig.publish(BROKEN)
    rig.publish(SELECTOR)
    await rig.follow()
    assert "row R1, column 'spec'" in (rig.tables.missing or "")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("outbound-policy", b"{", "record outbound-policy cannot be read"),
        ("outbound-policy", b'{"version": "0badc0de"}', "record outbound-policy cannot be read"),
        ("outbound-policy", None, "has no live version on the topic any more"),
    ],
)
async def test_a_damaged_pointer_keeps_the_version_in_use(key: str, value: bytes | None, expected: str) -> None:
    rig = await a_rig_with_live_tables()
    before = rig.versions
    rig.log.append((key.encode(), value))
    await rig.follow()
    assert rig.versions == before
    assert expected in rig.tables.warnings["outbound-policy"]


async def test_a_version_whose_text_does_not_match_its_id_is_not_used() -> None:
    rig = await a_rig_with_live_tables()
    before = rig.versions
    version = rig.publish(ALWAYS_HIERARCHICAL)
    at = next(n for n, (key, _) in enumerate(rig.log) if key == f"outbound-policy@{version}".encode())
    rig.log[at] = (rig.log[at][0], (rig.log[at][1] or b"").replace(b"bundle", b"per-run"))
    await rig.follow()
    assert rig.versions == before
    assert "was changed after it was written" in rig.tables.warnings["outbound-policy"]


async def test_a_pointer_to_a_missing_version_keeps_the_version_in_use_until_it_comes() -> None:
    rig = await a_rig_with_live_tables()
    before = rig.versions
    version = rig.publish(ALWAYS_HIERARCHICAL)
    record = next(entry for entry in rig.log if entry[0] == f"outbound-policy@{version}".encode())
    rig.log.remove(record)
    await rig.follow()
    assert rig.versions == before
    rig.log.append(record)
    await rig.follow()
    assert (rig.versions[0], rig.tables.warnings) == (version, {})


async def test_a_table_under_the_key_of_another_is_not_used() -> None:
    rig = await a_rig_with_live_tables()
    before = rig.versions
    other = POLICY.replace("outbound-policy", "other-policy")
    rig.put(
        plan_publish(
            rig.published, TableSubmission(table="outbound-policy", kind=TableKind.POLICY, text=other), a_signature()
        )
    )
    await rig.follow()
    assert rig.versions == before
    assert "holds the table other-policy" in rig.tables.warnings["outbound-policy"]


async def test_an_unexpected_error_of_the_loader_is_reported_and_does_not_end_the_worker(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rig = await a_rig_with_live_tables()
    before = rig.versions
    rig.publish(ALWAYS_HIERARCHICAL)
    with monkeypatch.context() as patch:
        patch.setattr("consumers.table_topic.live_table.load_as", None)
        await rig.follow()
    assert rig.versions == before
    assert "broke the loader with TypeError: tell a developer" in rig.tables.warnings["outbound-policy"]


async def test_unknown_fields_of_a_record_are_ignored() -> None:
    rig = LiveTablesRig()
    rig.publish(POLICY)
    rig.publish(SELECTOR)
    rig.log = [(key, json.dumps({**json.loads(value or b""), "mood": "good"}).encode()) for key, value in rig.log]
    await rig.follow()
    assert rig.tables.missing is None


async def test_a_failure_of_the_topic_is_reported_until_it_is_read_again() -> None:
    rig = await a_rig_with_live_tables()
    await rig.tables.process(TableTopicRead(problem="the topic is gone"))
    await rig.tables.process(TableTopicRead(problem="the topic is gone"))
    assert rig.observer.problems == ["the topic is gone"]
    assert rig.tables.warnings == {"tables topic": "the topic is gone"}
    await rig.follow()
    assert rig.tables.warnings == {}
