"""Decide, by the tables as they are now, about dead letters that they caused, and about edited ones."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from consumers.routing.decide import AllDefinitionsUsedUp, Decider
from schemas.codec.errors import UndecodableError
from schemas.lifecycle import RunChanged, RunRequested
from schemas.problem import Problem
from schemas.text.counts import count_noun
from southbound.exit_codes import CommandFailedError
from southbound.operations.console import print_status
from southbound.operations.dlq.edits.edit_letters import SOURCE
from southbound.operations.kafka import make_envelope
from southbound.operations.replay.dry_run import load_tables

if TYPE_CHECKING:
    from schemas.codec.envelope import Envelope
    from schemas.run_document import RunDocument
    from southbound.operations.dlq.close_letters import ClosedLetter
    from southbound.settings.settings import Settings

CODES_OF_TABLES = frozenset({"NO_ROW_MATCHES", "SEVERAL_ROWS_MATCH", "OUTPUTS_DIFFER"})


@dataclass(kw_only=True)
class TableCheck:
    """Decides about redriven requests by the tables as they are now, which are read when the first one is asked for."""

    settings: Settings
    counts: Counter[bool] = field(default_factory=Counter)
    _tools: tuple[Decider, Envelope] | None = None
    _is_unavailable: bool = False

    def line_of(self, one: ClosedLetter) -> str:
        """Return what the tables decide now about a dead letter that is edited or that they caused; else nothing."""
        is_asked = one.letter.code in CODES_OF_TABLES or one.edited is not None
        if not is_asked or one.message is None or (tools := self._open()) is None:
            return ""
        decider, envelope = tools
        try:
            event = envelope.decode(one.message.value, one.message.headers, fallback_id=one.letter.position_id)
        except UndecodableError:
            return ""
        return self._decided(decider, event.data.run) if isinstance(event.data, RunRequested | RunChanged) else ""

    def summary(self) -> str:
        """Return how many of all would be decided now; empty if none was asked for."""
        if not self.counts:
            return ""
        return f"the tables now decide {self.counts[True]:,} of {count_noun(self.counts.total(), 'request')}"

    def _decided(self, decider: Decider, document: RunDocument) -> str:
        route = decider.decide(document)
        self.counts[not isinstance(route, Problem)] += 1
        if isinstance(route, Problem):
            return f"would fail again: {route.code}: {route.sentence}"
        if isinstance(route, AllDefinitionsUsedUp):
            return "would wait: every definition that matches is used up"
        return f"would go to {route.spoke} by {route.decision.policy}, {route.decision.selector}"

    def _open(self) -> tuple[Decider, Envelope] | None:
        if self._tools is None and not self._is_unavailable:
            try:
                self._tools = asyncio.run(self._load())
            except CommandFailedError as error:
                print_status(f"not known whether the tables decide now: {error.sentences[0]}")
                self._is_unavailable = True
        return self._tools

    async def _load(self) -> tuple[Decider, Envelope]:
        tables = await load_tables(self.settings)
        return Decider(tables=lambda: tables), await make_envelope(self.settings, SOURCE)
