"""Find every code that the production code can report, in a problem or as the reason of an event."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from router.responses import Verdict

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"[A-Z]+(?:_[A-Z]+)*")
# Constants of other kinds that look like codes.
NOT_CODES = {
    "ACCESS_DENIED",  # alerts of OpenSSL
    "UNKNOWN_CA",
    "DEFAULT_LIMITS",  # in an __all__
    "ONDEMAND",  # modes of TMF653
    "PROACTIVE",
    "DELETE",  # methods of HTTP
    "GET",
    "PATCH",
    "POST",
    "PUT",
}


def constants(tree: ast.AST) -> Iterator[str]:
    """Yield the constants that are codes: of several words, or given as `code` or to a name that is the same word."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(CODE, node.value):
            if "_" in node.value:
                yield node.value
        elif isinstance(node, ast.keyword) and node.arg == "code" and isinstance(node.value, ast.Constant):
            yield str(node.value.value)
        elif isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            target = node.targets[0] if isinstance(node, ast.Assign) else node.target
            name = target.id if isinstance(target, ast.Name) else ""
            if name in {"code", node.value.value}:
                yield str(node.value.value)
        elif isinstance(node, ast.Call | ast.Dict | ast.Tuple):
            yield from first_words(node)


def first_words(node: ast.Call | ast.Dict | ast.Tuple) -> Iterator[str]:
    """Yield single words where a code stands: the first argument of `internal_problem`, and values of error tables."""
    match node:
        case ast.Call(func=ast.Name(id="internal_problem"), args=[ast.Constant(value=str(code)), *_]):
            yield code
        case ast.Dict():
            named = [one for one in node.keys if isinstance(one, ast.Name) and one.id.endswith("Error")]
            if named:
                yield from (
                    part.value
                    for value in node.values
                    for part in ast.walk(value)
                    if isinstance(part, ast.Constant) and isinstance(part.value, str)
                )


@cache
def reported_codes() -> frozenset[str]:
    """Return all codes."""
    found = {f"CALL_{verdict.name}" for verdict in Verdict if verdict is not Verdict.ACCEPTED}
    for folder in ("schemas", "router", "producers", "consumers", "southbound/service"):
        for path in (ROOT / folder).rglob("*.py"):
            if "migrations" not in path.parts:
                found |= set(constants(ast.parse(path.read_text(encoding="utf-8"))))
    return frozenset(code for code in found if re.fullmatch(CODE, code)) - NOT_CODES
