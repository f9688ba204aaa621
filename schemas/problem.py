"""What went wrong, as a value that a person can act on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One clear sentence that names the thing and what to do; `code` is stable, for filters and metrics."""

    code: str  # e.g. "UNDECODABLE", "NO_ROW_MATCHES", "UNKNOWN_RUN"
    sentence: str
    detail: str = ""  # more lines for a person: which rows came close, which fields are wrong
