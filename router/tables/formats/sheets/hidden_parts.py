"""Find the rows and columns that a spreadsheet does not show: what nobody sees must not decide."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from xml.parsers import expat

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_COLUMNS = 16_384  # of a spreadsheet
_TRUE = ("1", "true")


@dataclass(slots=True)
class HiddenParts:
    """The numbers of the hidden rows of a sheet, from 1, and its hidden columns, from 0."""

    rows: set[int] = field(default_factory=set)
    columns: set[int] = field(default_factory=set)
    _row: int = 0

    @classmethod
    def of_sheet(cls, part: bytes) -> HiddenParts:
        """Read the XML of a sheet, which `xlsx_package` has checked; a filter hides rows, too.

        Raises:
            ValueError: it is not XML, or a number in it is none.
        """
        hidden, parser = cls(), expat.ParserCreate()
        parser.StartElementHandler = hidden._start
        try:
            parser.Parse(part, True)  # noqa: FBT003 - positional only
        except expat.ExpatError as error:
            raise ValueError(str(error)) from None
        return hidden

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        match name.rpartition(":")[2]:
            case "row":
                self._row = int(attributes.get("r", self._row + 1))
                if _is_hidden(attributes, "ht"):
                    self.rows.add(self._row)
            case "col" if _is_hidden(attributes, "width"):
                first, last = int(attributes.get("min", "1")), int(attributes.get("max", "1"))
                self.columns.update(range(max(1, first) - 1, min(last, _MAX_COLUMNS)))


def _is_hidden(attributes: Mapping[str, str], size: str) -> bool:
    return attributes.get("hidden", "").lower() in _TRUE or float(attributes.get(size, "1")) == 0
