"""Show which runs of the past would go elsewhere by a draft, before it is published."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING

from router.selection.publish_checks import Findings
from router.selection.spoke_selector import Selector
from southbound.cli.exit_codes import ExitCode, wrong
from southbound.operations.backtest.report import BacktestComparison, as_json, as_words
from southbound.operations.backtest.run import backtest
from southbound.operations.console import counted, show
from southbound.operations.tables.lookup import in_words, named, what_decides_now

if TYPE_CHECKING:
    from router.selection.backtest import BacktestTally
    from southbound.settings.settings import Settings


_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}

_SPAN = re.compile(r"(\d{1,6})([smhdw])")


def read_span(text: str) -> timedelta:
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
    compared = compare(settings, file, back=span_of(since, "--since"), against=against, limit=limit)
    if json:
        print(as_json(compared, limit))  # noqa: T201 - it was asked for
    else:
        show(as_words(compared, limit))
    return ExitCode.DONE


def compare(settings: Settings, file: str, *, back: timedelta, against: str, limit: int) -> BacktestComparison:
    """Decide again what lies at most so far back; publishing asks for this, too.

    Raises:
        Failure: a table is wrong, the two are of different kinds, or Kafka does not answer.
    """
    draft = named(settings, file)
    now = what_decides_now(settings, draft, against)
    if isinstance(draft, Selector) is not isinstance(now, Selector):
        raise wrong([f"{file} is {in_words(draft)}, and {against} is {in_words(now)}: compare two of a kind"])
    found = backtest(settings, now=now, draft=draft, back=back, most=limit)
    return BacktestComparison(draft=draft, now=now, found=found)


def span_of(written: str, option: str) -> timedelta:
    """Read the span that an option was given."""
    try:
        return read_span(written)
    except ValueError as error:
        raise wrong([f"{option}: {error}"]) from None


MOST_NAMED = 20  # runs; `southbound tables backtest --limit` names more


def look_back(settings: Settings, name: str, since: str, *, quiet: bool) -> Findings:
    """Backtest against what decides now; runs that would become dead letters keep the table back.

    `name`: a file, or a draft as `ID@draft`; `since`: a span such as `7d`; `quiet`: draw nothing.

    Raises:
        Failure: the span or a table is wrong, or Kafka does not answer.
    """
    compared = compare(settings, name, back=span_of(since, "--backtest"), against="live", limit=MOST_NAMED)
    if not quiet:
        show(as_words(compared, MOST_NAMED))
    return _judged(compared.found.tally, since)


def _judged(tally: BacktestTally, since: str) -> Findings:
    dropped = sum(count for change, count in tally.differences if not change.draft.decided)
    moved = sum(count for _, count in tally.differences) - dropped
    lost = f"{counted(dropped, 'request')} of the last {since} decided now would become dead letters"
    what_to_do = "add rows or a default for them (`southbound tables backtest` lists them)"
    return Findings(
        errors=(f"{lost}: {what_to_do}",) if dropped else (),
        warnings=(f"{counted(moved, 'request')} of the last {since} would have gone elsewhere",) if moved else (),
    )
