"""Which dead letters were redriven or dropped: records on a compacted topic beside the dead letters."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, cast

from producers.publisher import Message
from southbound.operations.dlq.letter import LetterId

if TYPE_CHECKING:
    from consumers.hold.held_letters import HeldRelease
    from southbound.operations.dlq.letter import Letter


class LetterState(StrEnum):
    """The states of a dead letter. It is open until the topic says otherwise."""

    OPEN = "open"
    REDRIVEN = "redriven"
    DROPPED = "dropped"


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterClosure:
    """Who closed a dead letter, how and when."""

    state: LetterState
    by: str
    at: datetime
    comment: str = ""
    redrive: str = ""  # the id of the redrive, which the redriven record has in its header southbound-replay
    edited: str = ""  # what was edited, as the redriven record has it in its header southbound-redrive-edited


class ClosedLetters:
    """The dead letters that are not open any more."""

    def __init__(self) -> None:
        self._closures: dict[LetterId, tuple[int, LetterClosure]] = {}

    def __len__(self) -> int:
        """Return the number of closed dead letters."""
        return len(self._closures)

    def add(self, key: bytes | None, value: bytes | None) -> None:
        """Apply a record of the topic; one that is not ours is ignored."""
        try:
            id_ = LetterId.parse((key or b"").decode())
        except ValueError:
            return
        read = _read(value)
        if read is None:
            self._closures.pop(id_, None)
        else:
            self._closures[id_] = read

    def closure_of(self, letter: Letter) -> LetterClosure | None:
        """Return how a dead letter was closed; None if it is open."""
        timestamp, closure = self._closures.get(letter.id, (None, None))
        # A topic that was made anew starts with the same offsets, and its letters are others.
        return closure if timestamp == letter.timestamp_ms else None

    def state_of(self, letter: Letter) -> LetterState:
        """Return the state of a dead letter."""
        closure = self.closure_of(letter)
        return closure.state if closure else LetterState.OPEN


def status_message(topic: str, letter: Letter, closure: LetterClosure, release: HeldRelease | None = None) -> Message:
    """Return the record that closes a dead letter; `release` says what its record does that waits for it."""
    value = {
        "state": closure.state.value,
        "by": closure.by,
        "at": closure.at.isoformat(timespec="milliseconds"),
        "letter_timestamp": letter.timestamp_ms,
        **({"comment": closure.comment} if closure.comment else {}),
        **({"redrive": closure.redrive} if closure.redrive else {}),
        **({"edited": closure.edited} if closure.edited else {}),
        **({"held": release.as_json()} if release else {}),
    }
    return Message(topic, str(letter.id).encode(), json.dumps(value, ensure_ascii=False).encode())


def _read(value: bytes | None) -> tuple[int, LetterClosure] | None:
    try:
        # What a person or another program wrote there is no closure.
        content = cast("dict[str, object]", json.loads(value or b"null"))
        closure = LetterClosure(
            state=LetterState(str(content["state"])),
            by=str(content.get("by", "")),
            at=datetime.fromisoformat(str(content["at"])),
            comment=str(content.get("comment", "")),
            redrive=str(content.get("redrive", "")),
            edited=str(content.get("edited", "")),
        )
        return int(str(content["letter_timestamp"])), closure
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
