"""Write who changed what: one line of the log for each request that may change something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import structlog

if TYPE_CHECKING:
    from consumers.northbound.access.authenticator import AuthenticatedClient

AUDIT_LOGGER = "southbound.audit"
AuditOutcome = Literal["accepted", "refused", "failed", "aborted"]
_MAX_PATH = 300  # characters
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_ALL_LEVELS = structlog.make_filtering_bound_logger(0)


def is_change(method: str) -> bool:
    """Return whether a request may change something."""
    return method not in _READING


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEntry:
    """One request of an authenticated client. `run` is empty if it is about no run, or about none that is known."""

    client: AuthenticatedClient
    address: str
    method: str
    path: str
    run: str
    status: int
    outcome: AuditOutcome
    correlation_id: str


class AuditLog:
    """Writes entries with the logger name `southbound.audit`, also if `log.level` hides other lines of their level."""

    def __init__(self) -> None:
        self._log: structlog.typing.FilteringBoundLogger = structlog.wrap_logger(None, wrapper_class=_ALL_LEVELS)

    def write(self, entry: AuditEntry) -> None:
        """Write one line."""
        self._log.info(
            "change",
            logger=AUDIT_LOGGER,
            client=entry.client.principal.name,
            credential=entry.client.credential,
            tenant=entry.client.principal.tenant,
            address=entry.address,
            method=entry.method,
            path=entry.path[:_MAX_PATH],
            run=entry.run,
            status=entry.status,
            outcome=entry.outcome,
            correlation=entry.correlation_id,
        )


def outcome_of(status: int) -> AuditOutcome:
    """Return what a response means for the change."""
    if status < 400:  # noqa: PLR2004 - errors of clients begin there
        return "accepted"
    return "refused" if status < 500 else "failed"  # noqa: PLR2004 - errors of servers begin there
