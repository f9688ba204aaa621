"""Write a package with a dialect of its own, made from the dialect `jobs`."""

from __future__ import annotations

import keyword
import re
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from consumers.spokes import jobs
from consumers.spokes.profile import check_spoke_name
from consumers.spokes.registry import SPOKE_FACTORIES
from southbound.exit_codes import ExitCode, invalid_input
from southbound.operations.console import print_text
from southbound.settings.settings import DEFAULTS

if TYPE_CHECKING:
    from collections.abc import Iterator

_MODULES = ("__init__.py", "job.py", "order.py", "spoke.py")
_DATA = DEFAULTS / "new_dialect"
_EXAMPLE = Path(jobs.__file__).parent


def write_new_dialect(name: str, folder: Path | None) -> int:
    """Run `southbound spokes new`: write the package `folder` (default: `./NAME`) and print what to do next.

    Raises:
        CommandFailedError: the name cannot be used, or the folder exists.
    """
    _check(name)
    root = folder or Path(name)
    try:
        root.mkdir(parents=True)
        for path, text in _package(name):
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text, encoding="utf-8")
    except FileExistsError:
        raise invalid_input([f"{root} exists already: choose another folder with --folder."]) from None
    except OSError as error:
        raise invalid_input([f"{root} cannot be written: {error.strerror}."]) from None
    print_text(f"{root}/ is a package with the dialect {name}; its README.md says what to change.")
    print_text(f"Try it: cd {root} && python -m pytest")
    return ExitCode.SUCCESS


def _check(name: str) -> None:
    try:
        check_spoke_name(name)
    except ValueError as error:
        raise invalid_input([f"The name {name!r} {error}."]) from None
    if name in SPOKE_FACTORIES:
        raise invalid_input([f"The dialect {name} is shipped with Southbound: choose another name."])
    if not _package_name(name).isidentifier() or keyword.iskeyword(_package_name(name)):
        raise invalid_input([f"The name {name!r} must begin with a letter, and must be no word of Python."])


def _package(name: str) -> Iterator[tuple[Path, str]]:
    """Yield the path and text of each file."""
    package, class_name = _package_name(name), _class_name(name)
    values = {"dialect": name, "package": package, "class_name": class_name}
    for module in _MODULES:
        text = (_EXAMPLE / module).read_text(encoding="utf-8")
        text = text.replace("consumers.spokes.jobs", package).replace("JobsSpoke", class_name)
        yield Path(package, module), re.sub(r'^"""The dialect `jobs`:.*"""$', f'"""The dialect `{name}`."""', text)
    for source, path in (
        ("pyproject.toml.template", Path("pyproject.toml")),
        ("README.md.template", Path("README.md")),
        ("profile.yaml.template", Path("profile.yaml")),
        ("test_spoke.py.template", Path("tests", "test_spoke.py")),
        ("recorded/accepted.json", Path("tests", "recorded", "accepted.json")),
        ("recorded/completed.json", Path("tests", "recorded", "completed.json")),
    ):
        yield path, Template((_DATA / source).read_text(encoding="utf-8")).safe_substitute(values)


def _package_name(name: str) -> str:
    return name.replace("-", "_")


def _class_name(name: str) -> str:
    return "".join(part.capitalize() for part in name.split("-")) + "Spoke"
