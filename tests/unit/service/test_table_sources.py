"""The settings and the roles determine where tables come from, and metrics show the live versions."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from consumers.metrics import Metrics
from consumers.table_topic.live_pair import PublishedTableIds
from southbound.service.load_rules import load_rules
from southbound.service.roles import Role
from southbound.service.startup_status import StartupStatus
from southbound.service.table_sources import FileTables, NoTables, TableMonitor, open_tables
from southbound.settings.settings import RoutingSettings, Settings


async def test_files_stay_as_they_were_read_at_start() -> None:
    rules = load_rules(RoutingSettings())
    async with AsyncExitStack() as stack:
        tables = await open_tables(stack, Settings(), rules, [Role.ROUTING], Metrics(), StartupStatus())
    assert isinstance(tables, FileTables)
    assert tables.current() is rules.tables
    assert (list(tables.background_tasks()), tables.warnings()) == ([], {})


async def test_a_process_that_does_not_decide_needs_no_published_tables() -> None:
    rules = replace(
        load_rules(RoutingSettings()), tables=PublishedTableIds(policy="outbound-policy", selector="spoke-selector")
    )
    async with AsyncExitStack() as stack:
        tables = await open_tables(stack, Settings(), rules, [Role.DISPATCH, Role.INBOUND], Metrics(), StartupStatus())
    assert isinstance(tables, NoTables)
    assert (list(tables.background_tasks()), tables.warnings()) == ([], {})
    with pytest.raises(TypeError):
        tables.current()


def test_where_tables_are_published_their_files_need_not_be_there() -> None:
    routing = RoutingSettings.model_validate(
        {"tables": "topic", "policy": "/nowhere", "selector": "/nowhere", "policy_id": "p"}
    )
    assert load_rules(routing).tables == PublishedTableIds(policy="p", selector="spoke-selector")


def test_of_each_table_one_version_is_shown_as_live_and_a_refusal_until_it_is_over() -> None:
    metrics = Metrics()
    watch = TableMonitor(metrics)
    watch.version_live("t", "1", None)
    watch.version_live("t", "2", "1")
    watch.version_refused("t", "why", "2")
    metric_value = metrics.registry.get_sample_value
    assert metric_value("southbound_table_live", {"table": "t", "version": "1"}) is None
    assert metric_value("southbound_table_live", {"table": "t", "version": "2"}) == 1
    assert metric_value("southbound_table_refused", {"table": "t"}) == 1
    watch.version_accepted("t")
    assert metric_value("southbound_table_refused", {"table": "t"}) == 0
