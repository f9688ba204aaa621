"""The tests that a run had at its system before the present one, because changes have replaced them."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.run_document import RunDocument  # noqa: TC001 - the run store reads a replacement by its annotations


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """The tests that a run had at its system before the present one.

    `ended` are their external ids, the oldest first. `cancelling`: the present one is being cancelled, so that the
    changed run can be POSTed. `base` is what the last one was sent, until the changed run is accepted.
    """

    ended: tuple[str, ...] = ()
    cancelling: bool = False
    base: RunDocument | None = None
