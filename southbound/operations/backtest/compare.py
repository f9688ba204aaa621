"""Compare what a draft decides for recorded events with what another table decides."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from router.selection.publish_checks import PublishFindings
from router.selection.spoke_selector import SpokeSelector
from schemas.text.counts import count_noun
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.backtest.report import BacktestComparison, backtest_json, backtest_text
from southbound.operations.backtest.run_backtest import run_backtest
from southbound.operations.console import print_json, print_result
from southbound.operations.tables.lookup import kind_name, load_named, load_reference

if TYPE_CHECKING:
    from router.selection.backtest import BacktestTally
    from southbound.settings.settings import Settings


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_SPAN = re.compile(r"(\d{1,6})([smhdw])")


def parse_duration(text: str) -> timedelta:
    """Read a duration, such as `90m` or `7d`.

    Raises:
        ValueError: it is not a duration; the message says what to write.
    """
    match = _SPAN.fullmatch(text.strip().lower())
    if not match or not int(match[1]):
        raise ValueError(f"'{text}' is not a duration: write a number and s, m, h, d or w, such as 90m or 7d")
    return timedelta(**{_UNITS[match[2]]: int(match[1])})


def backtest_table(settings: Settings, file: str, *, since: str, against: str, limit: int, json: bool) -> int:
    """Run `southbound tables backtest`. `since` is a duration such as `7d`.

    Raises:
        CommandFailedError: the duration or a table is wrong, or Kafka does not answer.
    """
    comparison = compare_tables(
        settings, file, lookback=parse_duration_option(since, "--since"), against=against, limit=limit
    )
    if json:
        print_json(backtest_json(comparison, limit))
    else:
        print_result(backtest_text(comparison, limit))
    return ExitCode.SUCCESS


def compare_tables(
    settings: Settings, file: str, *, lookback: timedelta, against: str, limit: int
) -> BacktestComparison:
    """Decide the lifecycle events of the last `lookback` again with the table `file` and with the table `against`.

    Raises:
        CommandFailedError: a table is wrong, the two are of different kinds, or Kafka does not answer.
    """
    draft = load_named(settings, file)
    reference = load_reference(settings, draft, against)
    if isinstance(draft, SpokeSelector) is not isinstance(reference, SpokeSelector):
        raise invalid_input(
            [f"{file} is {kind_name(draft)}, and {against} is {kind_name(reference)}: compare tables of one kind"]
        )
    result = run_backtest(settings, current=reference, draft=draft, lookback=lookback, max_named_runs=limit)
    return BacktestComparison(draft=draft, current=reference, result=result)


def parse_duration_option(text: str, option: str) -> timedelta:
    """Read the duration of a command's option.

    Raises:
        CommandFailedError: it is not a duration.
    """
    try:
        return parse_duration(text)
    except ValueError as error:
        raise invalid_input([f"{option}: {error}"]) from None


MAX_NAMED_RUNS = 20  # runs; `southbound tables backtest --limit` names more


def backtest_findings(settings: Settings, name: str, since: str, *, quiet: bool) -> PublishFindings:
    """Backtest a table against the live one; an error is found if it would drop runs that are decided now.

    `name` is a file, or a draft as `ID@draft`. `since` is a duration such as `7d`. `quiet` prints nothing.

    Raises:
        CommandFailedError: the duration or a table is wrong, or Kafka does not answer.
    """
    comparison = compare_tables(
        settings, name, lookback=parse_duration_option(since, "--backtest"), against="live", limit=MAX_NAMED_RUNS
    )
    if not quiet:
        print_result(backtest_text(comparison, MAX_NAMED_RUNS))
    return _findings_of(comparison.result.tally, since)


def _findings_of(tally: BacktestTally, since: str) -> PublishFindings:
    dropped = sum(count for change, count in tally.differences if not change.draft.decided)
    rerouted = sum(count for _, count in tally.differences) - dropped
    summary = f"{count_noun(dropped, 'request')} of the last {since} decided now would become dead letters"
    remedy = "add rows or a default for them (`southbound tables backtest` lists them)"
    return PublishFindings(
        errors=(f"{summary}: {remedy}",) if dropped else (),
        warnings=(f"{count_noun(rerouted, 'request')} of the last {since} would have been routed differently",)
        if rerouted
        else (),
    )
