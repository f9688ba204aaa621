"""Builders of DMN models: a test writes only columns, rules and the hit policy."""

from __future__ import annotations

import re
from dataclasses import dataclass
from xml.sax.saxutils import escape, quoteattr

NAMESPACES = {
    "1.1": "http://www.omg.org/spec/DMN/20151101/dmn.xsd",
    "1.2": "http://www.omg.org/spec/DMN/20180521/MODEL/",
    "1.3": "https://www.omg.org/spec/DMN/20191111/MODEL/",
    "1.4": "https://www.omg.org/spec/DMN/20211108/MODEL/",
    "1.5": "https://www.omg.org/spec/DMN/20230324/MODEL/",
}
_OLD_TYPES = {
    "date and time": "dateTime",
    "days and time duration": "dayTimeDuration",
    "years and months duration": "yearMonthDuration",
}
_COLUMN = re.compile(r"(?P<name>[^:{=]*)(?::(?P<type>[^{=]*))?(?:\{(?P<values>.*)\})?\s*(?:=(?P<default>.*))?")


@dataclass(frozen=True, kw_only=True)
class DmnText:
    """One decision table in text form.

    Columns are separated by `|`. A column is written `age: number {1, 2} = 3`: name, type, allowed values, default.
    A rule is written `< 18 | "low" => 5 | true`. `given` are pairs of input values and the expected result.
    """

    policy: str = "UNIQUE"
    inputs: str
    outputs: str
    rules: tuple[str, ...]
    given: tuple[tuple[dict[str, object], object], ...]
    items: str = ""  # more elements of the model


def as_xml(model: DmnText, version: str = "1.5", decision: str = "Decision") -> bytes:
    """Return a model as XML, in the namespace and with the type names of a version of DMN."""
    hit, aggregation = _policy(model.policy)
    attributes = f"hitPolicy={quoteattr(hit)}" + (f" aggregation={quoteattr(aggregation)}" if aggregation else "")
    columns = "".join(_input(column, version) for column in _split_columns(model.inputs))
    columns += "".join(_output(column, version) for column in _split_columns(model.outputs))
    rules = "".join(map(_rule, model.rules))
    text = (
        f'<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<definitions xmlns="{NAMESPACES[version]}" id="m" name="model" namespace="urn:test">\n{model.items}'
        f"<decision name={quoteattr(decision)}>\n<decisionTable {attributes}>\n{columns}{rules}</decisionTable>\n"
        f"</decision>\n</definitions>\n"
    )
    return text.encode()


def an_item(name: str, base: str, values: str = "", *, is_list: bool = False) -> str:
    """Return an item definition."""
    allowed = _element("allowedValues", values or None)
    collection = 'isCollection="true"' if is_list else ""
    return f'<itemDefinition name="{name}" {collection}><typeRef>{base}</typeRef>{allowed}</itemDefinition>\n'


def _policy(written: str) -> tuple[str, str]:
    hit, _, aggregation = written.rpartition(" ")
    return (hit, aggregation) if aggregation in ("SUM", "MIN", "MAX", "COUNT") else (written, "")


def _split_columns(text: str) -> list[str]:
    return [part.strip() for part in text.split("|")] if text else []


def _type(name: str | None, version: str) -> str:
    name = (name or "").strip()
    if not name:
        return ""
    if version == "1.1":
        return f'typeRef="feel:{_OLD_TYPES.get(name, name)}"'
    return f'typeRef="{_OLD_TYPES.get(name, name) if version == "1.2" else name}"'


def _element(name: str, text: str | None, attributes: str = "") -> str:
    return "" if text is None else f"<{name} {attributes}><text>{escape(text.strip())}</text></{name}>"


def _input(column: str, version: str) -> str:
    found = _COLUMN.fullmatch(column)
    assert found, column
    expression = _element("inputExpression", found["name"], _type(found["type"], version))
    return f"<input>{expression}{_element('inputValues', found['values'])}</input>\n"


def _output(column: str, version: str) -> str:
    found = _COLUMN.fullmatch(column)
    assert found, column
    name = f"name={quoteattr(found['name'].strip())}" if found["name"].strip() else ""
    inner = _element("outputValues", found["values"]) + _element("defaultOutputEntry", found["default"])
    return f"<output {name} {_type(found['type'], version)}>{inner}</output>\n"


def _rule(rule: str) -> str:
    tests, _, results = rule.partition("=>")
    entries = [_element("inputEntry", test) for test in _split_columns(tests.strip())]
    entries += [_element("outputEntry", result) for result in _split_columns(results)]
    return f"<rule>{''.join(entries)}</rule>\n"
