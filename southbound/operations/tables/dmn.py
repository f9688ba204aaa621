"""Read a table from a DMN model, and write one to a DMN model."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from router.selection.load import document_of
from router.selection.outbound_policy import OutboundPolicy
from router.selection.spoke_selector import SpokeSelector
from router.tables.diagnostics import Diagnostics, TableErrors
from router.tables.formats.dmn import model as dmn
from router.tables.formats.loader import TableTree
from router.tables.formats.yaml_reader import read_yaml
from router.tables.formats.yaml_writer import write_yaml
from southbound.exit_codes import invalid_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.selection.load import LoadedTable
    from router.tables.table import DecisionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class DmnOptions:
    """The decision to read from a model (empty: its only one), and the fact of each input."""

    decision: str = ""
    paths: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _DecisionPlaces:
    """Names the places of a decision in messages: always the decision itself, without row or column."""

    name: str

    def full_name(self, _place: int) -> str:
        """Return the decision with its file."""
        return self.name

    def short_name(self, _place: int) -> str:
        """Return a short name, for a place in the same decision."""
        return "the same decision"


def read_dmn(content: bytes, source: str, options: DmnOptions) -> TableTree:
    """Read one decision of a model, and return it as the tree of the YAML that it is converted to.

    Raises:
        TableErrors: the model is wrong, or does not have the decision or the inputs of `options`.
    """
    name, table = _choose_decision(dmn.read_model(content, source, options.decision), source, options)
    location = f"{source}, decision '{name}'"
    diagnostics = Diagnostics(_DecisionPlaces(location))
    text = write_yaml(document_of(_with_paths(table, options.paths, location)))
    return TableTree(read_yaml(text, location, diagnostics), "", diagnostics)


def _choose_decision(
    tables: Mapping[str, DecisionTable], source: str, options: DmnOptions
) -> tuple[str, DecisionTable]:
    names = ", ".join(f"'{name}'" for name in tables)
    if options.decision and options.decision not in tables:
        raise TableErrors([f"{source}: there is no decision '{options.decision}'; it has {names}"])
    if not options.decision and len(tables) > 1:
        raise TableErrors([f"{source}: the model has several decisions ({names}): import one with --decision"])
    name = options.decision or next(iter(tables))
    return name, tables[name]


def _with_paths(table: DecisionTable, paths: Mapping[str, str], location: str) -> DecisionTable:
    names = [column.name for column in table.inputs]
    if unknown := [name for name in paths if name not in names]:
        known = ", ".join(names)
        raise TableErrors([f"{location}: there is no input '{name}'; the inputs are {known}" for name in unknown])
    inputs = tuple(replace(column, path=paths.get(column.name, column.path)) for column in table.inputs)
    return replace(table, inputs=inputs)


def parse_paths(options: Iterable[str]) -> dict[str, str]:
    """Parse options of the form `INPUT=FACT`.

    Raises:
        CommandFailedError: an option has another form.
    """
    pairs = [option.partition("=") for option in options]
    if invalid := [name for name, _, fact in pairs if not name.strip() or not fact.strip()]:
        raise invalid_input(
            f"--path {name}: write --path 'INPUT=FACT', such as 'Age=characteristic[age]'" for name in invalid
        )
    return {name.strip(): fact.strip() for name, _, fact in pairs}


def write_dmn(table: LoadedTable) -> bytes:
    """Return a table as a DMN model.

    Raises:
        TableErrors: it is a selector, which DMN cannot express.
    """
    match table:
        case OutboundPolicy():
            return dmn.write_model(table.table).encode()
        case SpokeSelector():
            reason = "a selector has orders, switches and thresholds, which DMN cannot express"
            raise TableErrors([f"{table.table.id}: {reason}: export it as YAML, CSV or XLSX"])
        case _:
            return dmn.write_model(table).encode()
