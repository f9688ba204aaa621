"""What a decision table needs to know of the facts that it decides on; the caller says what they are facts of."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


class Facts(Protocol):
    """The facts of one decision."""

    def value(self, path: str) -> object:
        """Return the value at a path in canonical form; None if it is missing."""


class FactModel(Protocol):
    """The facts that the input columns of a table may refer to."""

    def type_of(self, path: str) -> str:
        """Return the column type that fits the values at a path; `any` if only the facts themselves know.

        A path of type `datetime` has values with a time zone.

        Raises:
            UnknownFactError: no such fact exists.
        """

    def may_be_list(self, path: str) -> bool:
        """Return whether the value at a path may be a list.

        Raises:
            UnknownFactError: no such fact exists.
        """

    def facts_from(self, example: Mapping[str, object]) -> Facts:
        """Make facts from the part of them that a saved test spells; the rest is missing.

        Raises:
            ExampleFactsError: a name is unknown, or a value is of the wrong type.
        """


class UnknownFactError(ValueError):
    """A path leads to no fact; the message names the nearest one."""


class ExampleFactsError(ValueError):
    """The facts of an example are wrong. Each of `sentences` names one field; `fields` has the keys that lead to it."""

    def __init__(self, sentences: list[str], fields: list[tuple[int | str, ...]]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = tuple(sentences)
        self.fields = tuple(fields)
