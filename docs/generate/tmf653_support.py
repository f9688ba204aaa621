"""The page about the versions of TMF653: what is supported, by version and duty. Contract tests prove each row."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from consumers.spokes.tmf653.versions import VERSIONS
from docs.generate.markdown import table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from consumers.spokes.tmf653.versions import TmfVersion

INTRODUCTION = """# Support of TMF653

`version` in the [profile](profiles.md) of a system names the version of TMF653 that it implements. What is sent has the
form of that version. What is received is read in the forms of all versions, because systems mix them.

Each cell is proven: the contract tests run the named behaviour against the simulator as a system of that version,
which validates every request with the official definition (for 5.0: with its types, closed, so that a property that
5.0 does not name is refused). `no` means that the version has no such thing, and nothing is sent or expected.
"""
VERSION_TABLE = """
## The versions

What follows from `version`; a profile that names one of these fields keeps its own value. The success codes count in
addition to `success_codes` of the profile, and `success_codes_by_method` replaces both for a method. After another 2xx
the run is read, or looked up.

"""
NOTES = """
## Notes on 5.0

- A value that is a list of several kinds has no type in 5.0. It is sent as a `Characteristic` with a value, which a
  strict system refuses.
- 5.0 requires the role of a related party. One without is sent with its type as role. `Individual`, `Organization` and
  `Party` are sent as `PartyRef`, all others as `PartyRoleRef`.
- A definition of a measure is named once in a run: further measures with the same definition are sent without it.
- `testMeasureCharacteristic` of a measure is not kept, because a result has no place for it: the reason
  `MEASURE_CHARACTERISTIC_LEFT_OUT` says so, once per run. A rule of `mapping.receive` moves one to a measure of its
  own, such as from `/testMeasure/0/testMeasureCharacteristic/0/value` to `/testMeasure/[metricName=samples]/value`.
- The time of an event is its `eventTime`, or else `timeOccurred` (4.1 and 4.2: `timeOcurred`).
- `patchable` does not limit the answer to `ServiceTestInformationRequiredEvent`: a field that the system asks for is
  sent, also `testMeasure`.
- After `cancelAccepted` for a task, the run ends when the system reports it: by an event about the run or the task, or
  in the answer to a poll. Without an event, Southbound asks for the task after 10 seconds, and then at pauses that
  double, up to an hour. A task that fails leads to `cancelRefused` with its reasons. Its id is read from the response
  to the POST: from the body, or from `Location`.
- If the system answers the task with 404, the run is read: if it is there, the cancellation is refused, because the
  system has no such tasks. `cancel: patch` or `cancel: delete` may work.
"""


class Duty(StrEnum):
    """One of the four duties towards external systems."""

    TRIGGER = "Trigger"
    IN_FLIGHT = "In-flight changes"
    INBOUND = "Inbound"
    ERRORS = "Errors"


@dataclass(frozen=True, slots=True, kw_only=True)
class Capability:
    """One row: what is supported, and how in each version. A version that is not named does not have it."""

    name: str  # of the test that proves it
    duty: Duty
    sentence: str
    forms: Mapping[str, str]


V4 = ("4.0", "4.1", "4.2")
_ALL = (*V4, "5.0")


def _in_all(form: str = "yes") -> Mapping[str, str]:
    return MappingProxyType(dict.fromkeys(_ALL, form))


def _forms(v4: str, v5: str) -> Mapping[str, str]:
    return MappingProxyType({**dict.fromkeys(V4, v4), "5.0": v5})


def _only_v5(form: str) -> Mapping[str, str]:
    return MappingProxyType({"5.0": form})


CAPABILITIES = (
    Capability(
        name="single run",
        duty=Duty.TRIGGER,
        sentence="A run is POSTed, and its measures are read from the response",
        forms=_in_all(),
    ),
    Capability(
        name="values",
        duty=Duty.TRIGGER,
        sentence="Characteristics have texts, numbers, truth values, lists and objects",
        forms=_forms("any JSON", "typed by `@type`"),
    ),
    Capability(
        name="measures",
        duty=Duty.TRIGGER,
        sentence="Requested measures are recognised in the result",
        forms=_forms("id as extension", "`testMeasureDefinitionId`, name"),
    ),
    Capability(
        name="our id",
        duty=Duty.TRIGGER,
        sentence="The system stores the id of the run",
        forms=_forms("in the name; extension by `look_up`", "`externalIdentifier`"),
    ),
    Capability(
        name="related parties",
        duty=Duty.TRIGGER,
        sentence="Related parties with their roles",
        forms=_forms("flat", "`partyOrPartyRole`"),
    ),
    Capability(
        name="hierarchy",
        duty=Duty.TRIGGER,
        sentence="A child names its parent",
        forms=_forms("extension or characteristic", "`serviceTestRelationship`"),
    ),
    Capability(
        name="bundle",
        duty=Duty.TRIGGER,
        sentence="A root is POSTed with its children (payload `bundle`)",
        forms=_forms("extension", "extension: a strict system refuses it"),
    ),
    Capability(
        name="accepted for later",
        duty=Duty.TRIGGER,
        sentence="202 without a body: the id is looked up",
        forms=_forms("beyond the standard", "yes"),
    ),
    Capability(
        name="change",
        duty=Duty.IN_FLIGHT,
        sentence="A change is a PATCH of the fields that differ",
        forms=_forms("`application/json`", "`application/merge-patch+json`"),
    ),
    Capability(
        name="change in part",
        duty=Duty.IN_FLIGHT,
        sentence="Fields that `patchable` does not name are refused by name, and the others are changed",
        forms=_in_all(),
    ),
    Capability(
        name="change by another post",
        duty=Duty.IN_FLIGHT,
        sentence="Fields in `reposted` are changed by cancelling the run and POSTing it again",
        forms=_in_all(),
    ),
    Capability(
        name="child in root",
        duty=Duty.IN_FLIGHT,
        sentence="A child of a bundle is changed by a PATCH of its root, by `children_changed_in: root`",
        forms=MappingProxyType(dict.fromkeys(V4, "extension")),
    ),
    Capability(
        name="json patch",
        duty=Duty.IN_FLIGHT,
        sentence="A change is a list of operations, by `media_types.change`",
        forms=_only_v5("`application/json-patch+json`"),
    ),
    Capability(
        name="change refused",
        duty=Duty.IN_FLIGHT,
        sentence="A refused change leaves the run as it was, and says why",
        forms=_in_all(),
    ),
    Capability(
        name="cancellation",
        duty=Duty.IN_FLIGHT,
        sentence="A run is cancelled",
        forms=_forms("PATCH of `state`", "`POST /cancelServiceTest`"),
    ),
    Capability(
        name="cancellation by delete",
        duty=Duty.IN_FLIGHT,
        sentence="A run is cancelled by DELETE, by `cancel: delete`",
        forms=_in_all(),
    ),
    Capability(
        name="cancellation refused",
        duty=Duty.IN_FLIGHT,
        sentence="A cancellation is refused, and the run goes on",
        forms=_forms("status of the PATCH", "status, or the end of the task"),
    ),
    Capability(
        name="answer",
        duty=Duty.IN_FLIGHT,
        sentence="A change answers what the system asked for, and the run goes on",
        forms=_only_v5("yes"),
    ),
    Capability(
        name="events",
        duty=Duty.INBOUND,
        sentence="Events about a run lead to updates and the result",
        forms=_in_all(),
    ),
    Capability(
        name="thin events",
        duty=Duty.INBOUND,
        sentence="A thin event leads to a GET of the run",
        forms=_in_all(),
    ),
    Capability(
        name="status of the listener",
        duty=Duty.INBOUND,
        sentence="The response to a notification",
        forms=_forms("201", "204"),
    ),
    Capability(
        name="information required",
        duty=Duty.INBOUND,
        sentence="The system asks for information: `pending`, with reasons `INFORMATION_REQUIRED`",
        forms=_only_v5("`ServiceTestInformationRequiredEvent`"),
    ),
    Capability(
        name="events of cancellations",
        duty=Duty.INBOUND,
        sentence="Events about the task that cancels a run, also thin ones",
        forms=_only_v5("`CancelServiceTest…Event`"),
    ),
    Capability(
        name="cancellations without events",
        duty=Duty.INBOUND,
        sentence="The task that cancels a run is asked for if no event reports its end",
        forms=_only_v5("`GET /cancelServiceTest/{id}`"),
    ),
    Capability(
        name="rule violations",
        duty=Duty.INBOUND,
        sentence="A violated threshold rule leads to the result `fail`",
        forms=_in_all(),
    ),
    Capability(
        name="refusal",
        duty=Duty.ERRORS,
        sentence="A refused run ends as `rejected`, with the place that is wrong",
        forms=_in_all(),
    ),
    Capability(
        name="busy",
        duty=Duty.ERRORS,
        sentence="503 is repeated with the same key",
        forms=_in_all(),
    ),
    Capability(
        name="lost response",
        duty=Duty.ERRORS,
        sentence="A lost response to a POST: the run is looked up, and never exists twice",
        forms=_in_all(),
    ),
)


def page() -> str:
    """Return the text of the page."""
    return INTRODUCTION + "".join(map(_of_duty, Duty)) + VERSION_TABLE + _versions() + NOTES


def _of_duty(duty: Duty) -> str:
    rows = [
        (one.sentence, *(one.forms.get(version, "no") for version in VERSIONS))
        for one in CAPABILITIES
        if one.duty is duty
    ]
    return f"\n## {duty}\n\n{table(('', *VERSIONS), rows)}"


def _versions() -> str:
    rows = [
        ("base path", *(f"`/serviceTestManagement/{each.path}`" for each in VERSIONS.values())),
        *((f"success of {method}", *(_codes(each, method) for each in VERSIONS.values())) for method in _METHODS),
        ("success of `cancelServiceTest`", *(_codes_of_task(each) for each in VERSIONS.values())),
        ("events", *(_events(each) for each in VERSIONS.values())),
        ("defaults of the profile", *(_defaults(each.profile_defaults) for each in VERSIONS.values())),
    ]
    return table(("", *VERSIONS), rows)


_METHODS = ("GET", "POST", "PATCH", "DELETE")


def _codes(version: TmfVersion, method: str) -> str:
    return " or ".join(map(str, version.success_by_method[method]))


def _codes_of_task(version: TmfVersion) -> str:
    return " or ".join(map(str, sorted(version.success_of_cancel_task))) or "no"


def _events(version: TmfVersion) -> str:
    return ", ".join(f"`{event}`" for event in version.events)


def _defaults(defaults: Mapping[str, object], above: str = "") -> str:
    cells = [
        _defaults(value, f"{above}{name}.")
        if isinstance(value, MappingProxyType)
        else f"`{above}{name}: {_yaml(value)}`"
        for name, value in defaults.items()
    ]
    return ", ".join(cells) or "as in [profiles](profiles.md#fields)"


def _yaml(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
