"""The section about mapping on the page about spoke profiles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson
from ruamel.yaml import YAML

from consumers.spokes.mapping.known_fields import EVENT, READ, SENT, known_pointers
from consumers.spokes.mapping.rules import MappingRule
from consumers.spokes.profile import Profile
from consumers.spokes.registry import spoke_for
from docs.generate.markdown import table
from schemas.commands import PinnedDecision, SendRun
from schemas.run_document import Characteristic, RunDocument, ServiceRef, SpecificationRef

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pydantic.fields import FieldInfo

EXAMPLE = """name: copper-tester
base_url: https://copper.example/jobs
mapping:
  send:
    - {from: /relatedService/id, to: /line}
    - {from: /mode, to: /when, values: {ONDEMAND: 1, PROACTIVE: 2}}
    - {from: "/characteristic/[name=port]/value", to: /port}
    - {drop: /characteristic}
  create:
    - {constant: assurance, to: /orderedBy}
  receive:
    - {from: /status, to: /state, values: {2: inProgress, 3: completed}, otherwise: failed}
    - {from: /readings/*/what, to: /testMeasure/*/metricName}
    - {from: /readings/*/number, to: /testMeasure/*/value/value, decimal: ","}
    - {from: /readings/*/at, to: /testMeasure/*/captureDateTime, date: epochSeconds}
  run_at: /data
"""
BEFORE = """
## Mapping

Rules translate names, places and values of fields. A place is a JSON pointer (RFC 6901); `*` is every item of a list,
`[name=port]` the item with that field, and in `to` `-` is a new item. The rules of a list are applied in their order,
to each run of a bundle. `from` and `drop` of what is sent, and `to` of what is read, name fields of TMF653: another
name is a mistake, reported with its line. What a rule does not find, or cannot translate, stays as it is.

What is read has two fields that TMF653 has not. `/result` is the system's own verdict on a run, `pass`, `fail` or
`inconclusive`; the last one before the end of the run counts. With `fail` the result is `fail`, whatever was measured.
With `pass` it is `pass` only if the mandatory measures are there and none has a violation. A verdict in another field,
or in other words, is moved there, as in
`{from: /verdict, to: /result, values: {OK: pass, UNCLEAR: inconclusive}, otherwise: fail}`. With anything else that
is not empty the result is `inconclusive` at best, and a reason names it (`UNKNOWN_VERDICT`). `/statusReason` is how the
system explains a run that has failed, was rejected or cancelled, or did not pass: a text, or a list of texts. It
becomes a reason of the result (`STATUS_REASON`), of at most 500 characters.

"""
FIELDS = """
These are the fields. A list has `*` here: in a rule, a number or `[name=port]` may stand in its place, and in `to` also
`-`. Below `/…` everything is allowed, and so are fields whose names begin with `@`, at any level. A dialect that is not
`tmf653` has no mapping.

"""
AFTER = """
An example:

```yaml
{example}```

The body of a POST is then:

```json
{body}
```
"""
RUN = RunDocument(
    run_id="TR0001",
    name="Line test TR0001",
    test_specification=SpecificationRef(id="copper-line"),
    related_service=ServiceRef(id="SVC-88120"),
    characteristic=(Characteristic(name="port", value="7/1"),),
)
DECISION = PinnedDecision(policy="outbound-policy@1#R1", selector="spoke-selector@1#S1", hierarchical=False)


def section() -> str:
    """Return the text of the section; the body is written by the code."""
    profile = Profile.model_validate(YAML(typ="safe").load(EXAMPLE))
    call = spoke_for(profile).to_send(
        SendRun(run=RUN, request_id="RQ0001", spoke=profile.name, decision=DECISION), None
    )
    body = orjson.dumps(orjson.loads(call.body or b"{}"), option=orjson.OPT_INDENT_2).decode()
    rows = [(f"`{_name(name, field)}`", field.description or "") for name, field in MappingRule.model_fields.items()]
    rules = table(("field of a rule", "meaning"), rows)
    return (
        BEFORE
        + rules
        + FIELDS
        + table(("fields of", "used by", "pointers"), _fields())
        + AFTER.format(example=EXAMPLE, body=body)
    )


def _fields() -> list[tuple[str, str, str]]:
    """Return the fields that rules may name; those of an event are those of a run, in their place."""
    used_by_sent = "`from` and `drop` of `mapping.send`, `create` and `change`"
    event = [each for each in known_pointers(EVENT) if not each.startswith("/event/serviceTest/")]
    return [
        ("what is sent", used_by_sent, _pointers(known_pointers(SENT))),
        ("a run that is read", "`to` of `mapping.receive`", _pointers(known_pointers(READ))),
        ("a notification", "`to` of `mapping.event`", _pointers([*event, "/event/serviceTest/…"])),
    ]


def _pointers(pointers: Iterable[str]) -> str:
    return ", ".join(f"`{each}`" for each in pointers)


def _name(name: str, field: FieldInfo) -> str:
    return field.alias or name
