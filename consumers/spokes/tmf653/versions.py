"""What differs between the versions of TMF653, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping

MERGE_PATCH = "application/merge-patch+json"  # RFC 7386
JSON_PATCH = "application/json-patch+json"  # RFC 6902

_V4_EVENTS = (
    "ServiceTestCreateEvent",
    "ServiceTestAttributeValueChangeEvent",
    "ServiceTestDeleteEvent",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TmfVersion:
    """One version of TMF653: the form of what is sent, and what its systems answer.

    `typed`: every object carries its `@type`, which 5.0 requires. `nested_parties`: a related party has its reference
    in `partyOrPartyRole`. `metric_address` is the field with the address of a metric. `definition_ids`,
    `specification_names` and `external_identifiers` are fields that the version has.
    """

    number: str
    path: str  # the end of the standard's base path
    typed: bool = False
    nested_parties: bool = False
    metric_address: Literal["metricHref", "metricUri"] = "metricHref"
    definition_ids: bool = False
    specification_names: bool = False
    external_identifiers: bool = False
    listener_status: Literal[201, 204] = 201  # what its systems expect as the response to a notification
    success_by_method: Mapping[str, tuple[int, ...]] = field(
        default_factory=lambda: MappingProxyType({"GET": (200,), "POST": (201,), "PATCH": (200,), "DELETE": (204,)})
    )
    success_of_cancel_task: frozenset[int] = frozenset()  # of `POST /cancelServiceTest`, if the version has it
    events: tuple[str, ...] = _V4_EVENTS
    profile_defaults: Mapping[str, object] = field(
        default_factory=lambda: MappingProxyType({})
    )  # where they are others than those of the fields

    def success_of(self, method: str) -> frozenset[int]:
        """Return the statuses that the version names as success of a method."""
        return frozenset(self.success_by_method.get(method, ()))

    def type_of(self, name: str) -> dict[str, object]:
        """Return the `@type` of an object that is written, if the version requires it."""
        return {"@type": name} if self.typed else {}


_V5 = TmfVersion(
    number="5.0",
    path="v5",
    typed=True,
    nested_parties=True,
    metric_address="metricUri",
    definition_ids=True,
    specification_names=True,
    external_identifiers=True,
    listener_status=204,
    success_by_method=MappingProxyType({"GET": (200,), "POST": (201, 202), "PATCH": (200, 202), "DELETE": (202, 204)}),
    success_of_cancel_task=frozenset({200, 201, 202}),
    events=(
        *_V4_EVENTS,
        "ServiceTestStateChangeEvent",
        "ServiceTestInformationRequiredEvent",
        "CancelServiceTestCreateEvent",
        "CancelServiceTestStateChangeEvent",
        "CancelServiceTestInformationRequiredEvent",
    ),
    profile_defaults=MappingProxyType(
        {
            "cancel": "task",
            "relationship_encoding": "native",
            "send_measure_ids": False,
            "media_types": MappingProxyType({"change": MERGE_PATCH}),
        }
    ),
)
VERSIONS: Mapping[str, TmfVersion] = MappingProxyType(
    {
        "4.0": TmfVersion(number="4.0", path="v4"),
        "4.1": TmfVersion(number="4.1", path="v4"),
        "4.2": TmfVersion(number="4.2", path="v4", events=(*_V4_EVENTS, "ServiceTestStateChangeEvent")),
        "5.0": _V5,
    }
)


def with_defaults_of_version(fields: Mapping[str, object]) -> dict[str, object]:
    """Return the fields of a profile with the defaults of its version, where those of the fields are others."""
    version = VERSIONS.get(str(fields.get("version", "")))
    return _merged(fields, version.profile_defaults) if version is not None else dict(fields)


def _merged(fields: Mapping[str, object], defaults: Mapping[str, object]) -> dict[str, object]:
    merged = dict(fields)
    for name, default in defaults.items():
        set_before = merged.get(name)
        if isinstance(default, MappingProxyType):
            if name not in merged or isinstance(set_before, dict):
                merged[name] = _merged(set_before if isinstance(set_before, dict) else {}, default)
        else:
            merged.setdefault(name, default)
    return merged


def path_mistake(version: str, address: str) -> str | None:
    """Return why a base address of the standard's form does not fit the version; None if it does."""
    known = VERSIONS.get(version)
    standard, _, path = address.partition("/serviceTestManagement/")
    found = path.partition("/")[0] if standard else ""
    if known is None or found == known.path or found not in {each.path for each in VERSIONS.values()}:
        return None
    return f"is the address of TMF653 {found}, and version is {version}, whose paths are below {known.path}"
