"""Derive ids, so that the same cause always gets the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never
from uuid import UUID, uuid5

from schemas.commands import CancelRun, ChangeRun, SendRun

if TYPE_CHECKING:
    from schemas.commands import Command

# Never change it: every id that was ever derived hangs on it.
_OURS = UUID("5e0c9f0e-6a53-5d4b-9a1f-53b0c1d2e3f4")


def derived_id(cause: str, role: str) -> str:
    """Name the event that `cause` (an event id) gives rise to in this role, e.g. `result:TR0001`."""
    return _named("event", cause, role)


def event_id_at(topic: str, partition: int, offset: int) -> str:
    """Name a record that came without an event id by where it lies."""
    return _named("record", topic, f"{partition}", f"{offset}")


def request_id_of(root_run_id: str, version: int) -> str:
    """Name the outbound request for this version of a root run; every run of a hierarchy shares it."""
    return _named("request", root_run_id, f"{version}")


def idempotency_key(command: Command) -> str:
    """Name a command towards the external system; equal for every attempt and every redrive of it."""
    match command:
        case SendRun():
            return _named("send", command.request_id, command.run.run_id, f"{command.run.version}")
        case ChangeRun():
            return _named("change", command.request_id, command.run.run_id, f"{command.run.version}")
        case CancelRun():
            return _named("cancel", command.request_id, command.run_id)
        case _:
            assert_never(command)


def measure_id(spoke: str, external_id: str, metric_name: str, own_id: str = "") -> str:
    """Name a measure that nobody requested; `own_id` is what the external system calls it."""
    return _named("measure", spoke, external_id, metric_name, own_id)


def _named(*parts: str) -> str:
    # The lengths keep ("ab", "c") and ("a", "bc") apart.
    return str(uuid5(_OURS, "".join([f"{len(part)}:{part}" for part in parts])))
