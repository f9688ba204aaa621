"""Show which runs of the past would go elsewhere by a draft, before it is published."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from router.selection.publish_checks import PublishFindings
from router.selection.spoke_selector import SpokeSelector
from southbound.cli.exit_codes import ExitCode, invalid_input
from southbound.operations.backtest.report import BacktestComparison, comparison_json, comparison_text
from southbound.operations.backtest.run import run_backtest
from southbound.operations.console import count_noun, print_result
from southbound.operations.tables.lookup import kind_name, load_named, load_reference

if TYPE_CHECKING:
    from router.selection.backtest import BacktestTally
    from southbound.settings.settings import Settings


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_SPAN = re.compile(r"(\d{1,6})([smhdw])")


def parse_duration(text: str) -> timedelta:
    """Read a number with a unit.

    Raises:
        ValueError: it is something else; the sentence says what to write.
    """
    found = _SPAN.fullmatch(text.strip().lower())
    if not found or not int(found[1]):
        raise ValueError(f"'{text}' is no span of time: write a number and s, m, h, d or w, such as 90m or 7d")
    return timedelta(**{_UNITS[found[2]]: int(found[1])})


def backtest_table(settings: Settings, file: str, *, since: str, against: str, limit: int, json: bool) -> int:
    """Decide the recorded events again with the table in a file, and tell the difference."""
    compared = compare_tables(
        settings, file, lookback=parse_duration_option(since, "--since"), against=against, limit=limit
    )
    if json:
        print(comparison_json(compared, limit))  # noqa: T201 - it was asked for
    else:
        print_result(comparison_text(compared, limit))
    return ExitCode.SUCCESS


def compare_tables(
    settings: Settings, file: str, *, lookback: timedelta, against: str, limit: int
) -> BacktestComparison:
    """Decide again what lies at most so far back; publishing asks for this, too.

    Raises:
        Failure: a table is wrong, the two are of different kinds, or Kafka does not answer.
    """
    draft = load_named(settings, file)
    now = load_reference(settings, draft, against)
    if isinstance(draft, SpokeSelector) is not isinstance(now, SpokeSelector):
        raise invalid_input([f"{file} is {kind_name(draft)}, and {against} is {kind_name(now)}: compare two of a kind"])
    found = run_backtest(settings, current=now, draft=draft, lookback=lookback, max_named_runs=limit)
    return BacktestComparison(draft=draft, current=now, result=found)


def parse_duration_option(text: str, option: str) -> timedelta:
    """Read the span that an option was given."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise invalid_input([f"{option}: {error}"]) from None


MAX_NAMED_RUNS = 20  # runs; `southbound tables backtest --limit` names more


def backtest_findings(settings: Settings, name: str, since: str, *, quiet: bool) -> PublishFindings:
    """Backtest against what decides now; runs that would become dead letters keep the table back.

    `name`: a file, or a draft as `ID@draft`; `since`: a span such as `7d`; `quiet`: draw nothing.

    Raises:
        Failure: the span or a table is wrong, or Kafka does not answer.
    """
    compared = compare_tables(
        settings, name, lookback=parse_duration_option(since, "--backtest"), against="live", limit=MAX_NAMED_RUNS
    )
    if not quiet:
        print_result(comparison_text(compared, MAX_NAMED_RUNS))
    return _findings_of(compared.result.tally, since)


def _findings_of(tally: BacktestTally, since: str) -> PublishFindings:
    dropped = sum(count for change, count in tally.differences if not change.draft.decided)
    moved = sum(count for _, count in tally.differences) - dropped
    lost = f"{count_noun(dropped, 'request')} of the last {since} decided now would become dead letters"
    what_to_do = "add rows or a default for them (`southbound tables backtest` lists them)"
    return PublishFindings(
        errors=(f"{lost}: {what_to_do}",) if dropped else (),
        warnings=(f"{count_noun(moved, 'request')} of the last {since} would have gone elsewhere",) if moved else (),
    )
