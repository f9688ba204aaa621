"""What a client may not change of a test specification, by the version that it speaks."""

from __future__ import annotations

import pytest

from router.northbound.api_version import ApiVersion
from router.northbound.change import PatchKind
from router.northbound.errors import ApiRefusedError
from router.northbound.specification_resource import patched_specification
from schemas.published_tables import SpecificationRecord
from tests.builders.runs import NOON
from tests.builders.specifications import a_specification_document

EXTENDED = {"@type": "LineTest", "@baseType": "ServiceTestSpecification", "@schemaLocation": "urn:line"}
V4_1, V4_2, V5 = ApiVersion


def a_record(**more: object) -> SpecificationRecord:
    return SpecificationRecord(
        id="A", revision=1, author="ann", changed_at=NOON, document=a_specification_document("A", **more)
    )


@pytest.mark.parametrize("is_json_patch", [False, True])
@pytest.mark.parametrize("name", EXTENDED)
@pytest.mark.parametrize(
    ("version", "value"), [(V4_1, "other"), (V4_2, "other"), (V5, "other"), (V4_2, None), (V5, "same")]
)
def test_the_type_of_a_specification_is_not_patched(
    name: str, version: ApiVersion, value: str | None, *, is_json_patch: bool
) -> None:
    written = EXTENDED[name] if value == "same" else value
    patch = [{"op": "replace", "path": f"/{name}", "value": written}] if is_json_patch else {name: written}
    with pytest.raises(ApiRefusedError) as refused:
        patched_specification(
            a_record(**EXTENDED), patch, version, PatchKind.JSON if is_json_patch else PatchKind.MERGE
        )
    assert (refused.value.status, refused.value.mistakes[0].pointer) == (400, f"/{name}")


def test_a_client_of_4_1_may_repeat_the_type() -> None:
    patch = {**EXTENDED, "description": "new"}
    assert patched_specification(a_record(**EXTENDED), patch, V4_1, PatchKind.MERGE)["description"] == "new"
    shown = {"@type": "ServiceTestSpecification", "description": "new"}
    assert patched_specification(a_record(), shown, V4_1, PatchKind.MERGE)["description"] == "new"


def test_the_whole_specification_is_not_replaced_by_one_of_another_type() -> None:
    other = a_specification_document("A", **{**EXTENDED, "@type": "other"})
    patch = [{"op": "replace", "path": "", "value": other}]
    with pytest.raises(ApiRefusedError, match="@type"):
        patched_specification(a_record(**EXTENDED), patch, V5, PatchKind.JSON)
