"""An import-linter contract: no modules import each other in a circle, including imports for type checking."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importlinter import Contract, ContractCheck
from importlinter.application import output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from grimp import ImportGraph


class NoImportCircles(Contract):
    """Broken by every strongly connected component of the import graph with more than one module."""

    type_name = "no_import_circles"

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 - import-linter's own signature
        """Find every import circle."""
        imports = {module: set(graph.find_modules_directly_imported_by(module)) for module in graph.modules}
        circles = sorted(sorted(circle) for circle in circles_of(imports))
        return ContractCheck(kept=not circles, metadata={"circles": circles})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print the modules of each circle."""
        for circle in check.metadata["circles"]:
            output.print_error(f"These modules import each other in a circle: {', '.join(circle)}")


def circles_of(imports: dict[str, set[str]]) -> Iterator[set[str]]:
    """Yield the sets of modules that reach each other. A module that only imports others is in none."""
    order = list(_postorder(imports))
    importers: dict[str, set[str]] = {module: set() for module in imports}
    for module, imported in imports.items():
        for target in imported & imports.keys():
            importers[target].add(module)
    seen: set[str] = set()
    for module in reversed(order):  # Kosaraju: a module that reaches the last finished one is in the same component
        component = set(_reachable(module, importers, seen))
        if len(component) > 1:
            yield component


def _postorder(imports: dict[str, set[str]]) -> Iterator[str]:
    seen: set[str] = set()
    for module in sorted(imports):
        stack = [(module, iter(sorted(imports[module])))] if module not in seen else []
        seen.add(module)
        while stack:
            current, rest = stack[-1]
            following = next((target for target in rest if target in imports and target not in seen), None)
            if following is None:
                stack.pop()
                yield current
            else:
                seen.add(following)
                stack.append((following, iter(sorted(imports[following]))))


def _reachable(start: str, edges: dict[str, set[str]], seen: set[str]) -> Iterator[str]:
    waiting = [] if start in seen else [start]
    seen.update(waiting)
    while waiting:
        module = waiting.pop()
        yield module
        found = edges[module] - seen
        seen.update(found)
        waiting.extend(found)
