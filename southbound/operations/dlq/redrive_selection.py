"""Choose which dead letters a redrive or drop may close, and name the others with the reason why they stay."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

from schemas.text.counts import count_noun
from southbound.operations.dlq.edits.field_edits import UneditableError
from southbound.operations.dlq.redriven_message import is_redrivable, redrive_topic

if TYPE_CHECKING:
    from southbound.operations.dlq.dlq_topic import DeadLetterTopic
    from southbound.operations.dlq.edits.edit_letters import Edit, EditedLetter
    from southbound.operations.dlq.letter import Letter

_MAX_NAMED = 10  # ids in one sentence


class Objection(Enum):
    """Why a dead letter stays."""

    LOOPING = "it was redriven too often"
    FOREIGN = "it came from no topic of Southbound"
    UNEDITABLE = "the edit does not fit it"


@dataclass(slots=True)
class _LettersThatStay:
    """The dead letters with one objection: how many, the first of them, and what was wrong with the first one."""

    count: int = 0
    ids: list[str] = field(default_factory=list)
    first: str = ""

    def add(self, letter: Letter, sentence: str) -> None:
        self.first = self.first or sentence
        self.count += 1
        if len(self.ids) < _MAX_NAMED:
            self.ids.append(str(letter.id))

    def __str__(self) -> str:
        return ", ".join(self.ids) + (" …" if self.count > len(self.ids) else "")


@dataclass(slots=True, kw_only=True)
class LetterSelection:
    """What the chosen dead letters are, counted before any of them is closed. `edit` is asked only for a redrive."""

    redrive: bool
    max_redrives: int
    edit: Edit
    count: int = 0
    _staying: dict[Objection, _LettersThatStay] = field(default_factory=dict, init=False)

    @property
    def chosen(self) -> int:
        """The number of chosen dead letters, with those that stay."""
        return self.count + sum(found.count for found in self._staying.values())

    def accept(self, letter: Letter, topic: DeadLetterTopic) -> tuple[bool, EditedLetter | None]:
        """Return whether a dead letter may be closed, and its edited record if it was edited."""
        if not self.redrive:
            return True, None
        try:
            return (False, None) if self._objection(letter, topic) else (True, self.edit(letter))
        except UneditableError:
            return False, None

    def note(self, letter: Letter, topic: DeadLetterTopic) -> None:
        """Count a dead letter."""
        objection, sentence = self._objection(letter, topic) if self.redrive else None, ""
        if objection is None and self.redrive:
            try:
                self.edit(letter)
            except UneditableError as error:
                objection, sentence = Objection.UNEDITABLE, str(error)
        if objection is None:
            self.count += 1
        else:
            self._staying.setdefault(objection, _LettersThatStay()).add(letter, sentence)

    def refusals(self) -> list[str]:
        """Return a sentence for each reason why dead letters stay."""
        return [self._refusal(objection, found) for objection, found in self._staying.items()]

    def _refusal(self, objection: Objection, staying: _LettersThatStay) -> str:
        letters = count_noun(staying.count, "dead letter")
        if objection is Objection.LOOPING:
            failed = f"{letters} failed again after {self.max_redrives} or more redrives"
            remedy = "repair the cause first, then use a higher --max-redrives, or drop"
        elif objection is Objection.FOREIGN:
            failed = f"{letters} came from no topic that Southbound reads"
            remedy = "they cannot be redriven; drop them, or publish their events with `southbound produce`"
        else:
            failed = f"{letters} cannot be edited like that"
            why = f"{'of the first, ' if staying.count > 1 else ''}{staying.first.rstrip('.')}"
            remedy = f"{why}: correct --set and --remove, or edit them one by one with --edit"
        return f"{failed} ({staying}): {remedy}"

    def _objection(self, letter: Letter, topic: DeadLetterTopic) -> Objection | None:
        if not is_redrivable(letter, topic.names) or redrive_topic(letter, topic.names) not in topic.partitions:
            return Objection.FOREIGN
        return Objection.LOOPING if letter.redrives >= self.max_redrives else None
