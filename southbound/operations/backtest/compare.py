"""Show which runs of the past would go elsewhere by a draft, before it is published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from router.selection.spoke_selector import Selector
from southbound.cli.exit_codes import Exit, wrong
from southbound.operations.backtest.report import as_json, as_words
from southbound.operations.backtest.run import backtest
from southbound.operations.console import show
from southbound.operations.table_texts import in_words, named, what_decides_now
from southbound.spans import read_span

if TYPE_CHECKING:
    from datetime import timedelta

    from router.selection.load import Loaded
    from southbound.operations.backtest.run import Backtest
    from southbound.settings.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """A draft beside what decides now, and what came out."""

    draft: Loaded
    now: Loaded
    found: Backtest


def backtest_table(settings: Settings, file: str, *, since: str, against: str, limit: int, json: bool) -> int:
    """Decide the recorded events again with the table in a file, and tell the difference."""
    compared = compare(settings, file, back=span_of(since, "--since"), against=against, limit=limit)
    if json:
        print(as_json(compared, limit))  # noqa: T201 - it was asked for
    else:
        show(as_words(compared, limit))
    return Exit.DONE


def compare(settings: Settings, file: str, *, back: timedelta, against: str, limit: int) -> Compared:
    """Decide again what lies at most so far back; publishing asks for this, too.

    Raises:
        Failure: a table is wrong, the two are of different kinds, or Kafka does not answer.
    """
    draft = named(settings, file)
    now = what_decides_now(settings, draft, against)
    if isinstance(draft, Selector) is not isinstance(now, Selector):
        raise wrong([f"{file} is {in_words(draft)}, and {against} is {in_words(now)}: compare two of a kind"])
    found = backtest(settings, now=now, draft=draft, back=back, most=limit)
    return Compared(draft=draft, now=now, found=found)


def span_of(written: str, option: str) -> timedelta:
    """Read the span that an option was given."""
    try:
        return read_span(written)
    except ValueError as error:
        raise wrong([f"{option}: {error}"]) from None
