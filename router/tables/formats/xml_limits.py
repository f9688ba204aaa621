"""Refuse XML that takes the parsers of tables minutes or gigabytes, before they read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_ELEMENTS = 1_500_000  # 20,000 rows of twenty columns have about 900,000
_MAX_ATTRIBUTES = 1_000  # of one element; libxml2 needs quadratic time for them
_MAX_ATTRIBUTE_LENGTH = 100_000  # of all attributes of an element; openpyxl's parser needs quadratic time for them


class XmlLimitError(ValueError):
    """The XML exceeds a limit, or has a DOCTYPE, whose entities could expand."""


def check_xml_limits(content: bytes, *, max_text: int = 0, text_of: frozenset[str] = frozenset()) -> None:
    """Check the number of elements, the attributes of each, and the length of all text in each element of some names.

    `text_of` are names without a prefix. Content that is not XML is not refused: the parser that reads it afterwards
    describes what is wrong.

    Raises:
        XmlLimitError: a limit is exceeded.
    """
    parser = expat.ParserCreate()
    counter = _Counter(max_text, text_of)
    parser.StartElementHandler = counter.start
    parser.EndElementHandler = counter.end if text_of else None
    parser.CharacterDataHandler = counter.text if text_of else None
    parser.StartDoctypeDeclHandler = counter.doctype
    parser.buffer_text = True
    try:
        parser.Parse(content, True)  # noqa: FBT003 - positional only
    except expat.ExpatError:
        return


@dataclass(slots=True)
class _Counter:
    max_text: int
    text_of: frozenset[str]
    elements: int = 0
    depth: int = 0  # of elements whose text is counted
    length: int = 0

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        self.elements += 1
        if self.elements > _MAX_ELEMENTS:
            raise XmlLimitError(f"has more than {_MAX_ELEMENTS:,} XML elements: save only the table itself")
        if len(attributes) > _MAX_ATTRIBUTES or sum(map(len, attributes.values())) > _MAX_ATTRIBUTE_LENGTH:
            raise XmlLimitError("has an XML element with more attributes than any program writes: save it anew")
        if name.rpartition(":")[2] in self.text_of:
            self.depth += 1

    def end(self, name: str) -> None:
        if name.rpartition(":")[2] in self.text_of:
            self.depth -= 1
            self.length = 0

    def text(self, data: str) -> None:
        self.length += len(data) if self.depth else 0
        if self.length > self.max_text:
            raise XmlLimitError(f"has a cell of more than {self.max_text:,} characters: shorten it")

    def doctype(self, *_: object) -> None:
        raise XmlLimitError("has a DOCTYPE, which no table needs: take it out")
