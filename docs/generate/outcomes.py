"""The page about outcomes of calls and exceptions in reports, generated from their tables."""

from docs.generate.markdown import table
from router.outcomes import CALL_OUTCOMES, REPORT_EXCEPTIONS, ReportException

INTRODUCTION = """# Outcomes of calls, exceptions in reports

Each row is proven by a test of its name. [Guarantees](guarantees.md) has the details, [operations](operations.md#codes)
what to do about a code.

## Calls of external systems

What single statuses and errors mean can be set in the profile (`success_codes`, `status_meanings`, `error_meanings`).
The circuit breaker, the limits and the order of commands are per system, so one that is down holds up no other.

"""
REPORTS = """
## Reports of external systems

Everything that the listener accepts, and what the poller hears of news, is on `testrun.inbound` before it is processed.

"""


def page() -> str:
    """Return the text of the page."""
    calls = [(each.name, each.outcome, each.meaning, each.action) for each in CALL_OUTCOMES]
    reports = [_cells(each) for each in REPORT_EXCEPTIONS]
    return (
        INTRODUCTION
        + table(("name", "outcome", "taken for", "what follows"), calls)
        + REPORTS
        + table(("name", "exception", "what follows", "codes", "counted by", "original", "processed again by"), reports)
    )


def _cells(each: ReportException) -> tuple[str, ...]:
    codes = ", ".join(f"`{code}`" for code in each.codes) or "none"
    return each.name, each.exception, each.treatment, codes, f"`{each.counter}`", each.kept, each.replay
