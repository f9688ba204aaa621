"""Take the text of an expression of a DMN model from where the standard puts it, and refuse text anywhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.feel.errors import CellError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from router.tables.formats.dmn.xml import Element


def text_in(element: Element) -> str:
    """Give the text of an expression, empty where it has none.

    A reader that looked no further would take a cell that is written in another way for an empty one, and let
    everything pass.

    Raises:
        CellError: something is written in another way.
    """
    for problem in _misplaced(element):
        raise CellError(f"{problem}: write <text>…</text> in <{element.name}>, and nothing around it")
    return element.text_of("text")


def is_empty(element: Element | None) -> bool:
    """Say whether nothing is written in an expression, not even in a way that is refused."""
    return element is None or not (element.text_of("text") or any(_misplaced(element)))


def _misplaced(element: Element) -> Iterator[str]:
    if element.text.strip():
        yield f"{element.text.strip()} stands outside of <text>"
    for child in element.children:
        if child.name == "text" and child.namespace != element.namespace:
            yield f"<text> is in the namespace '{child.namespace}', not in that of the model"
        elif child.name == "text" and child.children:
            yield f"<{child.children[0].name}> stands inside of <text>"
