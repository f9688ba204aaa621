"""Read the YAML text of a table as a tree, and report what a table file must not contain."""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.tables.diagnostics import TableErrors
from schemas.files.located_yaml import (
    LocatedYaml,
    LocatedYamlError,
    NestedTooDeepError,
    YamlLimitError,
    YamlProblemKind,
    read_located_yaml,
)

if TYPE_CHECKING:
    from router.tables.diagnostics import Diagnostics
    from schemas.files.located_tree import Tree

_MAX_DEPTH = 20
# The engine reads numbers and dates from their text, exactly, and by the type of the column.
_JUDGED_BY_COLUMN = frozenset({YamlProblemKind.IMPOSSIBLE_DATE, YamlProblemKind.LONG_NUMBER})


def read_yaml(text: str, source: str, diagnostics: Diagnostics) -> Tree:
    """Read one YAML document. Duplicate keys, aliases and the like are added to `diagnostics`.

    Raises:
        TableErrors: the text is not one YAML document, or exceeds a limit; the message has the line.
    """
    try:
        read = read_located_yaml(text, aliases=False, max_depth=_MAX_DEPTH)
    except NestedTooDeepError as error:
        raise _refusal(diagnostics, error.line, "nested too deep for a table") from None
    except YamlLimitError as error:
        raise _refusal(diagnostics, error.line, error.problem) from None
    except LocatedYamlError as error:
        column = f" (column {error.column})" if error.column else ""
        raise TableErrors([f"{source}:{error.line}: not valid YAML: {error.problem}{column}"]) from None
    tree = _only_document(read, diagnostics)
    for problem in sorted(read.problems, key=lambda problem: problem.line):
        if problem.kind not in _JUDGED_BY_COLUMN:
            first_place = diagnostics.places.short_name(problem.first_line)
            diagnostics.add(problem.line, problem.sentence_with(first_place))
    return tree


def _only_document(read: LocatedYaml, diagnostics: Diagnostics) -> Tree:
    if not read.documents:
        raise _refusal(diagnostics, 1, "the file is empty")
    first, *others = read.documents
    if others:
        problem = "a second YAML document begins here: a file holds one table, so take it out"
        raise _refusal(diagnostics, others[0].line, problem)
    return first.root


def _refusal(diagnostics: Diagnostics, line: int, problem: str) -> TableErrors:
    return TableErrors([f"{diagnostics.places.full_name(line)}: {problem}"])
