"""An import-linter contract: a unit needs what its list names, and nothing else of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from importlinter import Contract, ContractCheck, fields
from importlinter.application import output

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from grimp import ImportGraph


class OnlyAllowedImports(Contract):
    """Broken by every module of ours outside of a package that it needs, directly or not, and that is not allowed.

    A list of what is forbidden would not name the modules that are added later.
    """

    type_name = "only_allowed_imports"
    package = fields.StringField()
    allowed_modules = fields.SetField(subfield=fields.StringField())

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:  # noqa: ARG002, FBT001 - import-linter's own signature
        """Find every module that is needed and not allowed, and every allowed one that is not needed."""
        ours = tuple(self.session_options["root_packages"])
        imports = {
            module: {found for found in graph.find_modules_directly_imported_by(module) if is_within(found, ours)}
            for module in graph.modules
        }
        needed = needed_modules(imports, str(self.package))
        allowed = {str(name) for name in self.allowed_modules}  # type: ignore[attr-defined] # import-linter sets a value
        refused = {module: importer for module, importer in needed.items() if not is_within(module, allowed)}
        unused = sorted(name for name in allowed if not any(is_within(module, {name}) for module in needed))
        return ContractCheck(kept=not refused and not unused, metadata={"refused": refused, "unused": unused})

    def render_broken_contract(self, check: ContractCheck) -> None:
        """Print each module with one that imports it."""
        for module, importer in sorted(check.metadata["refused"].items()):
            output.print_error(f"{module} is not allowed, and {importer} imports it")
        for name in check.metadata["unused"]:
            output.print_error(f"{name} is allowed and not needed: remove it from the contract")


def needed_modules(imports: Mapping[str, Collection[str]], package: str) -> dict[str, str]:
    """Return the modules outside of a package that it reaches by imports, each with a module that imports it."""
    waiting = [module for module in imports if is_within(module, {package})]
    needed: dict[str, str] = {}
    while waiting:
        importer = waiting.pop()
        for module in imports.get(importer, ()):
            if module not in needed and not is_within(module, {package}):
                needed[module] = importer
                waiting.append(module)
    return needed


def is_within(module: str, packages: Collection[str]) -> bool:
    """Return whether a module is one of these, or inside of one."""
    return any(module == package or module.startswith(f"{package}.") for package in packages)
