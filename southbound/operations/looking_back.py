"""Look back before a table goes live: what would it have done with the runs of the last days?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.selection.publish_checks import Findings
from southbound.operations.backtest.compare import compare, span_of
from southbound.operations.backtest.report import as_words
from southbound.operations.console import counted, show

if TYPE_CHECKING:
    from router.selection.backtest import Tally
    from southbound.settings.settings import Settings

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


def _judged(tally: Tally, since: str) -> Findings:
    dropped = sum(count for change, count in tally.elsewhere if not change.draft.decided)
    moved = sum(count for _, count in tally.elsewhere) - dropped
    lost = f"{counted(dropped, 'request')} of the last {since} decided now would become dead letters"
    what_to_do = "add rows or a default for them (`southbound tables backtest` lists them)"
    return Findings(
        errors=(f"{lost}: {what_to_do}",) if dropped else (),
        warnings=(f"{counted(moved, 'request')} of the last {since} would have gone elsewhere",) if moved else (),
    )
