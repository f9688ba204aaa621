"""Take a table out of a DMN model, held to what a table of ours must be, and put one into a model."""

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
from southbound.cli.exit_codes import invalid_input

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from router.selection.load import LoadedTable
    from router.tables.table import DecisionTable


@dataclass(frozen=True, slots=True, kw_only=True)
class DmnOptions:
    """The decision of a model (empty: its only one), and the fact of each input."""

    decision: str = ""
    paths: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _DecisionPlaces:
    """The places of a decision: rows and columns are named by what is wrong with them."""

    name: str

    def full_name(self, _place: int) -> str:
        """Name the decision with its file."""
        return self.name

    def short_name(self, _place: int) -> str:
        """Name a place inside the decision."""
        return "the same decision"


def read_dmn(content: bytes, source: str, options: DmnOptions) -> TableTree:
    """Read one decision of a model as the YAML that it becomes.

    Raises:
        TableErrors: the model is wrong, or does not have what is wished for.
    """
    name, table = _choose_decision(dmn.read_model(content, source, options.decision), source, options)
    where = f"{source}, decision '{name}'"
    complaints = Diagnostics(_DecisionPlaces(where))
    text = write_yaml(document_of(_with_paths(table, options.paths, where)))
    return TableTree(read_yaml(text, where, complaints), "", complaints)


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


def _with_paths(table: DecisionTable, paths: Mapping[str, str], where: str) -> DecisionTable:
    names = [column.name for column in table.inputs]
    if unknown := [name for name in paths if name not in names]:
        known = ", ".join(names)
        raise TableErrors([f"{where}: there is no input '{name}'; the inputs are {known}" for name in unknown])
    inputs = tuple(replace(column, path=paths.get(column.name, column.path)) for column in table.inputs)
    return replace(table, inputs=inputs)


def parse_paths(options: Iterable[str]) -> dict[str, str]:
    """Read options of the form `INPUT=FACT`."""
    pairs = [option.partition("=") for option in options]
    if bad := [name for name, _, fact in pairs if not name.strip() or not fact.strip()]:
        raise invalid_input(
            f"--path {name}: write --path 'INPUT=FACT', such as 'Age=characteristic[age]'" for name in bad
        )
    return {name.strip(): fact.strip() for name, _, fact in pairs}


def write_dmn(table: LoadedTable) -> bytes:
    """Write a table as a DMN model.

    Raises:
        TableErrors: it is a selector, which DMN has no words for.
    """
    match table:
        case OutboundPolicy():
            return dmn.write_model(table.table).encode()
        case SpokeSelector():
            what = "a selector has orders, switches and thresholds, for which DMN has no place"
            raise TableErrors([f"{table.table.id}: {what}: export it as YAML, CSV or XLSX"])
        case _:
            return dmn.write_model(table).encode()
