"""What differs between the versions of TMF653 is in one table, and the defaults of a profile follow from it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumers.spokes.profile import CancelMethod, Profile, RelationshipEncoding
from consumers.spokes.tmf653.v5.patches import patch_body, to_operations
from consumers.spokes.tmf653.versions import JSON_PATCH, MERGE_PATCH, VERSIONS
from router.northbound.patches.patch import json_patch, merge_patch
from schemas.characteristic_types import characteristic_type
from tests.builders.spokes import a_profile

V4 = ["4.0", "4.1", "4.2"]
names = st.text(max_size=4)
values = st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.lists(st.integers(), max_size=2)


@pytest.mark.parametrize("version", V4)
def test_the_defaults_of_version_4_are_those_of_the_fields(version: str) -> None:
    profile = a_profile(version=version)
    assert (profile.cancel, profile.relationship_encoding) == (CancelMethod.PATCH, RelationshipEncoding.EXTENSION)
    assert (profile.send_measure_ids, profile.media_types.change) == (True, "application/json")


@pytest.mark.parametrize("version", ["5.0", 5.0], ids=["text", "number"])
def test_the_defaults_of_version_5_are_its_own(version: object) -> None:
    profile = a_profile(version=version)
    assert (profile.cancel, profile.relationship_encoding) == (CancelMethod.TASK, RelationshipEncoding.NATIVE)
    assert (profile.send_measure_ids, profile.media_types.change) == (False, MERGE_PATCH)


def test_what_a_profile_says_itself_counts_more_than_its_version() -> None:
    profile = a_profile(version="5.0", cancel="delete", send_measure_ids=True, media_types={"accept": "text/json"})
    assert (profile.cancel, profile.send_measure_ids) == (CancelMethod.DELETE, True)
    assert (profile.media_types.accept, profile.media_types.change) == ("text/json", MERGE_PATCH)


@pytest.mark.parametrize(("version", "path"), [("5.0", "v4"), ("4.2", "v5"), ("4.0", "v5")])
def test_the_address_of_another_version_is_a_mistake(version: str, path: str) -> None:
    with pytest.raises(ValidationError, match=f"whose paths are below {VERSIONS[version].path}"):
        a_profile(version=version, base_url=f"https://lab.example/tmf-api/serviceTestManagement/{path}")


@pytest.mark.parametrize("address", ["https://lab.example/v4", "https://lab.example/serviceTestManagement/tests"])
@pytest.mark.parametrize("version", [*V4, "5.0"])
def test_an_address_of_another_form_says_nothing_about_the_version(version: str, address: str) -> None:
    assert Profile(name="a", base_url=address, version=version).base_url == address


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (True, "BooleanCharacteristic"),
        (1, "IntegerCharacteristic"),
        (0.5, "NumberCharacteristic"),
        ("fast", "StringCharacteristic"),
        ({"down": 1}, "ObjectCharacteristic"),
        ([True], "BooleanArrayCharacteristic"),
        ([1, 2], "IntegerArrayCharacteristic"),
        ([1, 2.5], "NumberArrayCharacteristic"),
        (["a"], "StringArrayCharacteristic"),
        ([{}], "ObjectArrayCharacteristic"),
        ([], "StringArrayCharacteristic"),
        ([1, True], "Characteristic"),
        ([1, "a"], "Characteristic"),
        ([None], "Characteristic"),
        ([[1]], "Characteristic"),
        (None, "Characteristic"),
    ],
)
def test_a_characteristic_has_the_type_of_its_value(value: object, kind: str) -> None:
    assert characteristic_type(value) == kind


@given(st.dictionaries(names, values), st.dictionaries(names, values))
def test_the_operations_do_what_the_merge_patch_does(old: dict[str, object], new: dict[str, object]) -> None:
    # As it was POSTed: what has no value was left out.
    known = {name: value for name, value in old.items() if value is not None and value != []}
    assert json_patch(known, to_operations(old, new)) == merge_patch(known, new)


@pytest.mark.parametrize("media_type", [JSON_PATCH, "Application/JSON-Patch+JSON; charset=utf-8"])
def test_the_media_type_decides_the_form_of_a_change(media_type: str) -> None:
    assert patch_body(media_type, {"a": 1}, {"a": 2}, {}) == b'[{"op":"replace","path":"/a","value":2}]'
    assert patch_body(MERGE_PATCH, {"a": 1}, {"a": 2}, {"@type": "ServiceTest"}) == b'{"a":2,"@type":"ServiceTest"}'
