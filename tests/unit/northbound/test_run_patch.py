"""What identifies a run is not changed by a patch, whatever its operations name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from router.northbound.api_version import ApiVersion
from router.northbound.change import PatchKind, apply_patch
from router.northbound.errors import ApiRefusedError

if TYPE_CHECKING:
    from router.northbound.resource import Resource

RUN: Resource = {
    "id": "TR1",
    "href": "/serviceTest/TR1",
    "@type": "ServiceTest",
    "name": "Line test",
    "testMeasure": [{"id": "M1", "name": "speed"}],
}
KINDS = (PatchKind.JSON, PatchKind.JSON_QUERY)


@pytest.mark.parametrize("version", ApiVersion)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("operation", "name"),
    [
        ({"op": "replace", "path": "", "value": {**RUN, "id": "TR2"}}, "id"),
        ({"op": "add", "path": "", "value": {**RUN, "href": "/elsewhere"}}, "href"),
        ({"op": "copy", "path": "", "from": "/testMeasure/0"}, "@type"),
        ({"op": "move", "path": "", "from": "/testMeasure/0"}, "@type"),
        ({"op": "replace", "path": "", "value": {"id": "TR1", "@type": "ServiceTest"}}, "href"),
    ],
)
def test_a_whole_replacement_does_not_change_what_identifies_a_run(
    version: ApiVersion, kind: PatchKind, operation: dict[str, object], name: str
) -> None:
    with pytest.raises(ApiRefusedError) as refused:
        apply_patch(RUN, [operation], version, kind)
    assert (refused.value.status, refused.value.mistakes[0].pointer) == (400, f"/{name}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_replaced_by_one_with_the_same_identity(kind: PatchKind) -> None:
    patch = [{"op": "replace", "path": "", "value": {**RUN, "name": "new"}}]
    assert apply_patch(RUN, patch, ApiVersion.V5, kind)["name"] == "new"
