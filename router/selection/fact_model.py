"""The facts of a test run, as decision tables refer to them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.selection.fact_paths import fact_path
from router.selection.partial_facts import facts_from_example

if TYPE_CHECKING:
    from collections.abc import Mapping

    from router.tables.facts import Facts


class RunFactModel:
    """The `FactModel` of run documents."""

    def type_of(self, path: str) -> str:
        """Return the column type that fits the values at a path; `any` for characteristics.

        Raises:
            UnknownFactError: a run document has no such fact.
        """
        return fact_path(path).type

    def may_be_list(self, path: str) -> bool:
        """Return whether the value at a path may be a list.

        Raises:
            UnknownFactError: a run document has no such fact.
        """
        return fact_path(path).may_be_list

    def facts_from(self, example: Mapping[str, object]) -> Facts:
        """Make facts from part of a run document; the rest is missing.

        Raises:
            ExampleFactsError: a field is unknown, or has a value that no run document can have.
        """
        return facts_from_example(example)


RUN_FACTS = RunFactModel()
