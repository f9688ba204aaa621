"""What the start of a process waits for."""

from __future__ import annotations

from dataclasses import dataclass

import structlog

log = structlog.get_logger()


@dataclass(slots=True)
class StartupStatus:
    """What the start waits for now, None after the start; the readiness probe reports it."""

    reason: str | None = "starting"

    def wait_for(self, reason: str) -> None:
        """Set what the start waits for, and log it once per reason."""
        if reason != self.reason:
            log.warning("waiting", reason=reason)
        self.reason = reason
