"""The migrations produce exactly the tables that the code describes."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from consumers.store.databases.address import database_at
from consumers.store.document_cache import DocumentCache
from consumers.store.migrate import SchemaError, _config, check, upgrade
from consumers.store.specifications.port import SpecificationChanges
from consumers.store.sql_store import open_store
from consumers.store.subscriptions.port import SubscriptionLimits
from consumers.store.tables import metadata
from router.runs.checks.watch import Missing
from router.store_continuity import TopicEnds
from schemas.published_tables import SpecificationRecord
from tests.builders.runs import NOON, a_document
from tests.builders.subscriptions import SPECIFICATIONS, a_subscription
from tests.integration.store.postgres_database import empty_database, run_store_url

if TYPE_CHECKING:
    from pathlib import Path

    from sqlalchemy import Connection

__all__ = ["run_store_url"]  # a fixture


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without tables."""
    return empty_database(request, tmp_path / "a folder to make/100 % of runs.db")


OLD_MEASURE = """
    INSERT INTO run_measures (run_id, place, measure_id, id_origin, rule_violation)
    VALUES ('cancelled', :place, :measure_id, 'definition', '[]')
"""
OLD_RUN = """
    INSERT INTO runs (run_id, root_run_id, request_id, spoke, phase, requested, accepted_version, measure_count,
        reasons, cancel_asked, heard, created_at, updated_at, revision)
    VALUES (:run_id, 'TR0001', 'RQ0001', 'fibre-lab', 'accepted', {requested}, 1, 0, '[]', :cancel_asked, {heard},
        '2026-11-23T12:00:00.000000+00:00', '2026-11-23T12:00:00.000000+00:00', 1)
"""


async def test_the_tables_after_all_migrations_are_the_described_ones(address: str) -> None:
    await upgrade(address)
    database = database_at(address)
    differences = await database.read(_differences)
    await database.close()
    assert differences == []


def _differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(connection, opts={"compare_type": True})
    return list(compare_metadata(context, metadata))


async def test_a_described_table_without_a_migration_is_detected(address: str) -> None:
    await upgrade(address)
    database = database_at(address)
    await database.write(lambda connection: connection.exec_driver_sql("DROP INDEX runs_by_request"))
    differences = await database.read(_differences)
    await database.close()
    assert len(differences) == 1


async def test_a_check_changes_nothing(address: str) -> None:
    before = await check(address)
    assert (before.found, before.is_current) == (None, False)
    assert (await check(address)).found is None
    await upgrade(address)
    assert (await check(address)).is_current


async def test_an_upgrade_of_what_is_current_does_nothing(address: str) -> None:
    await upgrade(address)
    assert (await upgrade(address)).is_current


async def test_tables_of_a_newer_version_are_left_alone(address: str) -> None:
    await upgrade(address)
    database = database_at(address)
    await database.write(lambda c: c.exec_driver_sql("UPDATE alembic_version SET version_num = 'r9999'"))
    await database.close()
    with pytest.raises(SchemaError, match="'r9999'"):
        await open_store(address)


async def test_the_column_heard_is_split_into_reports_and_events(address: str) -> None:
    heard = {
        "nothing": [],
        "reports": ["R1", "R1 led to progress", "R2", "R2 led to stale"],
        "events": ["E1 led to send", "E2 led to accepted"],
        "both": ["E1 led to send", "C1 led to cancelAccepted", "C1", "R1", "R1 led to stale", 'R2 \\ "\u00e9\0'],
    }
    split = {
        "nothing": ((), ()),
        "reports": (("R1", "R1 led to progress", "R2", "R2 led to stale"), ()),
        "events": ((), ("E1 led to send", "E2 led to accepted")),
        "both": (("C1", "R1", "R1 led to stale", 'R2 \\ "\u00e9\0'), ("E1 led to send", "C1 led to cancelAccepted")),
    }
    many = [f"run {number}" for number in range(1_500)]  # more rows than the migration reads at once
    await _at_revision_2(address, heard | {run_id: ["R1", f"{run_id} led to send"] for run_id in many})
    store = await open_store(address)
    rows = [row for run_id in (*heard, *many) if (row := await store.run(run_id))]
    await store.close()
    found = {row.run_id: (row.processed_reports, row.processed_events) for row in rows}
    assert found == split | {run_id: (("R1",), (f"{run_id} led to send",)) for run_id in many}


async def test_a_requested_cancellation_and_the_order_of_measures_survive_the_new_names(address: str) -> None:
    await _at_revision_2(address, {"kept": [], "cancelled": []})
    database = database_at(address)
    await database.write(_insert_measures)
    await database.close()
    store = await open_store(address)
    kept, cancelled = [await store.run(run_id) for run_id in ("kept", "cancelled")]
    await store.close()
    assert kept is not None
    assert cancelled is not None
    assert (kept.cancel_requested, cancelled.cancel_requested) == (False, True)
    assert [measure.id for measure in cancelled.measures] == ["first", "second"]


async def test_a_run_that_was_left_without_an_external_id_is_checked_after_the_upgrade(address: str) -> None:
    await _at_revision_2(address, {"without id": [], "with id": []})
    database = database_at(address)
    await database.write(lambda c: c.execute(text("UPDATE runs SET external_id = 'e' WHERE run_id = 'with id'")))
    await database.close()
    store = await open_store(address)
    rows = {row.run_id: row for row in await store.runs_to_check(datetime.now(UTC), 10)}
    await store.close()
    watch = rows["without id"].watch
    assert (watch and watch.missing, rows["with id"].watch) == (Missing.EXTERNAL_ID, None)


async def test_a_run_that_is_open_at_the_upgrade_gets_a_deadline_at_its_first_check(address: str) -> None:
    await _at_revision_2(address, {"open": []})
    store = await open_store(address)
    (row,) = await store.runs_to_check(datetime.now(UTC), 10)
    await store.close()
    assert (row.run_id, row.deadline and row.deadline.is_set) == ("open", False)


async def test_a_specification_that_is_known_at_the_upgrade_is_not_announced_as_new(address: str) -> None:
    database = database_at(address)
    await database.write(lambda connection: command.upgrade(_config(connection), "r0017"))
    await database.write(_insert_specifications)
    await database.close()
    store = await open_store(address)
    await store.subscriptions.add(a_subscription(), "S1", SubscriptionLimits(1, 1))
    await store.specifications.save(SpecificationChanges(deleted={"known": 1}))
    announced = await store.subscriptions.announce_specifications(partial(SPECIFICATIONS.plan, now=NOON), NOON, 10)
    deliveries = await store.subscriptions.first_deliveries("S1", NOON, 10)
    await store.close()
    assert announced == 1
    assert [delivery.event_type for delivery in deliveries] == ["ServiceTestSpecificationDeleteEvent"]
    assert json.loads(deliveries[0].body)["event"]["serviceTestSpecification"]["name"] == "Fibre"


def _insert_specifications(connection: Connection) -> None:
    document = {"id": "known", "name": "Fibre"}
    record = SpecificationRecord(id="known", revision=1, author="ann", changed_at=NOON, document=document)
    rows = [
        {"id": "known", "revision": 1, "record": record.model_dump_json()},
        {"id": "gone", "revision": 1, "record": None},
    ]
    connection.execute(text("INSERT INTO specifications VALUES (:id, :revision, :record)"), rows)


@pytest.mark.parametrize(
    ("gateways", "bound_to", "unmarked", "recorded"),
    [
        ([], None, False, None),
        ([("p.", "g", "{}")], "p.", False, None),
        (
            [("p.", "g", '{"p.testrun.lifecycle": {"0": 12}}'), ("p.", "renamed", "{}")],
            "p.",
            False,
            TopicEnds(topic="p.testrun.lifecycle", topic_id="", ends={0: 12}),
        ),
        ([("p.", "g", "{}"), ("q.", "g", "{}")], None, True, None),  # the next one to start gets it
    ],
)
async def test_the_gateway_of_a_store_is_known_after_the_upgrade(
    address: str,
    gateways: list[tuple[str, str, str]],
    bound_to: str | None,
    unmarked: bool,  # noqa: FBT001 - a column
    recorded: TopicEnds | None,
) -> None:
    database = database_at(address)
    await database.write(lambda connection: command.upgrade(_config(connection), "r0009"))
    await database.write(partial(_insert_gateways, gateways=gateways))
    await database.close()
    store = await open_store(address)
    state, found = await store.identity.state(), await store.identity.recorded()
    await store.close()
    assert (state.bound_to, state.unmarked, found) == (bound_to, unmarked, recorded)


def _insert_gateways(connection: Connection, gateways: list[tuple[str, str, str]]) -> None:
    for prefix, group, ends in gateways:
        row = {"prefix": prefix, "group": group, "ends": ends}
        connection.execute(text("INSERT INTO store_gateways VALUES (:prefix, :group, :ends)"), row)


def _insert_measures(connection: Connection) -> None:
    measures = [{"place": 1, "measure_id": "second"}, {"place": 0, "measure_id": "first"}]
    connection.execute(text(OLD_MEASURE), measures)
    connection.execute(text("UPDATE runs SET measure_count = 2 WHERE run_id = 'cancelled'"))


async def _at_revision_2(address: str, heard: dict[str, list[str]]) -> None:
    """Create the tables of the second revision, with a run for each key of `heard`."""
    database = database_at(address)
    await database.write(lambda connection: command.upgrade(_config(connection), "r0002"))
    await database.write(partial(_insert, heard=heard))
    await database.close()


def _insert(connection: Connection, heard: dict[str, list[str]]) -> None:
    as_json = "CAST(:{} AS JSON)" if connection.dialect.name == "postgresql" else ":{}"
    statement = text(OLD_RUN.format(requested=as_json.format("requested"), heard=as_json.format("heard")))
    requested = DocumentCache().write(a_document())
    rows = [
        {
            "run_id": run_id,
            "requested": requested,
            "heard": json.dumps(causes),
            "cancel_asked": run_id == "cancelled",
        }
        for run_id, causes in heard.items()
    ]
    connection.execute(statement, rows)
