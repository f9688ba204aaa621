"""The check of the schema history finds each kind of violation."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest

from tests.contract.schemas import compatibility as history

if TYPE_CHECKING:
    from pathlib import Path

SUBJECT = "southbound.testrun.Ping"
ENUM = {
    "type": "enum",
    "name": "Kind",
    "doc": "d",
    "symbols": ["a", "unknown"],
    "default": "unknown",
}
V1: dict[str, Any] = {
    "type": "record",
    "name": "Ping",
    "namespace": "southbound.testrun",
    "doc": "d",
    "fields": [
        {"name": "id", "type": "string", "doc": "d"},
        {"name": "kind", "type": ENUM, "doc": "d"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}, "doc": "d"},
        {"name": "note", "type": ["null", "string"], "default": None, "doc": "d"},
    ],
}


def violations_in(*versions: dict[str, Any]) -> str:
    return "\n".join(history.violations({SUBJECT: versions}))


def v2(**more: Any) -> dict[str, Any]:  # noqa: ANN401 - Avro's own
    new = deepcopy(V1)
    if more:
        new["fields"].append({"name": "new", "doc": "d", **more})
    return new


def without_field(name: str) -> dict[str, Any]:
    new = deepcopy(V1)
    new["fields"] = [field for field in new["fields"] if field["name"] != name]
    return new


def with_changed_field(name: str, **change: Any) -> dict[str, Any]:  # noqa: ANN401 - Avro's own
    new = deepcopy(V1)
    next(field for field in new["fields"] if field["name"] == name).update(change)
    return new


def without_docs() -> dict[str, Any]:
    new = deepcopy(V1)
    del new["fields"][0]["doc"]
    return new


def test_our_own_history_has_no_violations(capsys: pytest.CaptureFixture[str]) -> None:
    assert history.main() == 0
    assert "10 schemas are compatible" in capsys.readouterr().out


def test_a_compatible_second_version_has_no_violations() -> None:
    better = v2(type=["null", "string"], default=None)
    better["fields"][1]["type"]["symbols"].append("b")
    assert violations_in(V1, better) == ""


@pytest.mark.parametrize(
    ("second", "expected"),
    [
        (v2(type="string"), "Ping.new is new and has no default"),
        (v2(type="string"), "v2 cannot read what v1 writes"),
        (without_field("id"), "Ping.id is gone; names are frozen"),
        (without_field("id"), "v1 cannot read what v2 writes"),
        (without_field("kind"), "v2 no longer has Kind"),
        (without_field("note"), "Ping.note is gone; names are frozen"),
        (with_changed_field("id", type="long"), "v2 cannot read what v1 writes"),
        (with_changed_field("at", type="long"), "Ping.at changes its logical type"),
        (
            with_changed_field("at", type={"type": "long", "logicalType": "timestamp-micros"}),
            "Ping.at changes its logical type",
        ),
        (with_changed_field("kind", type={**ENUM, "symbols": ["unknown", "a"]}), "Kind moves or drops symbols"),
        (with_changed_field("kind", type={**ENUM, "symbols": ["unknown"]}), "Kind moves or drops symbols"),
        (
            with_changed_field("kind", type={k: v for k, v in ENUM.items() if k != "default"}),
            "must have the default 'unknown'",
        ),
        (
            with_changed_field("note", default="none", type=["string", "null"]),
            "may be null, so null must be its default",
        ),
        (without_docs(), "Ping.id has no doc"),
        ({**V1, "doc": ""}, "Ping has no doc"),
        ({**V1, "name": "Pong"}, "must be called like its folder"),
        ({**V1, "namespace": "elsewhere"}, "must be called like its folder"),
    ],
)
def test_an_incompatible_second_version_is_reported(second: dict[str, Any], expected: str) -> None:
    assert expected in violations_in(V1, second)


def test_every_pair_of_versions_is_compared_and_not_only_neighbours() -> None:
    # v2 removes the default of `note`, v3 the field: neighbours are compatible, but v1 and v3 are not.
    third = without_field("note")
    second = with_changed_field("note", type="string", default="")
    assert "v3" in violations_in(V1, second, third)
    assert "v2 cannot read what v1 writes" in violations_in(V1, second, third)


def test_a_type_that_two_files_repeat_must_be_the_same_in_both() -> None:
    pong = deepcopy(V1)
    pong["name"] = "Pong"
    pong["fields"][1]["type"]["symbols"].append("b")
    violations = history.violations({SUBJECT: [V1], "southbound.testrun.Pong": [pong]})
    assert violations == ["southbound.testrun.Pong: Kind differs from the Kind of southbound.testrun.Ping"]


def test_a_recursive_schema_is_found_in_every_version() -> None:
    recursive = v2(type={"type": "array", "items": "southbound.testrun.Ping"}, default=[])
    violations = violations_in(recursive, recursive)
    for version in ("v1", "v2"):
        assert f"{version} cannot be read: it is recursive: southbound.testrun.Ping contains itself" in violations


def test_the_catalogue_and_the_folder_must_agree() -> None:
    sentences = history.missing({SUBJECT: [V1]})
    assert f"{SUBJECT}: the catalogue lists 0 versions, the folder has 1" in sentences
    assert "southbound.testrun.SendRun: the catalogue lists 4 versions, the folder has 0" in sentences


def test_violations_end_with_exit_code_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(history, "AVRO_FILES", tmp_path)
    assert history.main() == 1
    assert "the catalogue lists 1 versions, the folder has 0" in capsys.readouterr().err
