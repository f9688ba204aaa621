"""Add to a call the headers that say to which request, tenant and trace it belongs."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumers.spokes.conventions.http_conventions import RunHeaders
    from consumers.spokes.port import Call
    from router.runs.run import RunRow

TRACEPARENT = "traceparent"


def with_run_headers(call: Call, names: RunHeaders, row: RunRow, traceparent: str | None) -> Call:
    """Return the call with the headers of its run; `traceparent` is that of the event that leads to the call."""
    headers = dict(call.headers)
    if names.conversation:
        headers[names.conversation] = row.request_id
    if names.tenant and row.tenant:
        headers[names.tenant] = row.tenant
    if names.trace:
        last = row.last_notification
        known = traceparent or (last.traceparent if last else None)
        headers[TRACEPARENT] = known or _trace_of_request(row)
    return replace(call, headers=headers)


def _trace_of_request(row: RunRow) -> str:
    """Return a trace context (W3C Trace Context §3.2) that is the same for all calls about a run, and not sampled."""
    trace = sha256(f"request:{row.request_id}".encode()).hexdigest()[:32]
    return f"00-{trace}-{sha256(f'run:{row.run_id}'.encode()).hexdigest()[:16]}-00"
