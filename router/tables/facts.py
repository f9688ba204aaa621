"""What a decision table needs from the facts that it decides on. The caller implements both protocols."""

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
        """Return the column type of the values at a path; `any` if it is not known before the decision.

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
        """Build facts from the part of them that a saved test contains. The other facts are missing.

        Raises:
            ExampleFactsError: a name is unknown, or a value is of the wrong type.
        """


class UnknownFactError(ValueError):
    """No fact has this path. The message names the nearest path."""


class ExampleFactsError(ValueError):
    """The facts of an example are invalid. Each of `sentences` is about one field; `fields` has the paths to them."""

    def __init__(self, sentences: list[str], fields: list[tuple[int | str, ...]]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = tuple(sentences)
        self.fields = tuple(fields)
