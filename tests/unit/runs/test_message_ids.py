"""The id of a message names its content, whichever process derives it."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.runs.message_ids import derive_message_id
from router.runs.notifications.build import build_result, build_update
from schemas import json_text as texts
from schemas.json_text import json_text
from schemas.results import Reason, RunResult, RunUpdate
from schemas.vocabulary import UpdateKind
from tests.builders.runs import NOON, a_run
from tests.generators.run_rows import run_rows

FIELD_NAMES = ',"occurred_at":', ',"previous_revision":1', '","occurred_at":"', "\\"


@given(row=run_rows())
def test_a_notification_that_is_read_again_has_the_id_and_the_text_that_it_had(row: object) -> None:
    for message in (build_update(row, UpdateKind.PROGRESS), build_result(row)):  # type: ignore[arg-type]
        again = type(message).model_validate_json(json_text(message))
        assert again == message
        assert json_text(again) == json_text(message)
        assert derive_message_id("e-1", again) == derive_message_id("e-1", message)


@given(first=st.sampled_from(FIELD_NAMES), second=st.sampled_from(FIELD_NAMES), start=st.text(max_size=3))
def test_text_that_looks_like_a_field_is_content(first: str, second: str, start: str) -> None:
    one, other = (
        build_update(a_run(), UpdateKind.PROGRESS, (Reason(code="A", message=start + end),)) for end in (first, second)
    )
    same = one.reasons == other.reasons
    assert (derive_message_id("e-1", one) == derive_message_id("e-1", other)) is same


@pytest.mark.parametrize("model", [RunUpdate, RunResult])
def test_what_is_not_part_of_the_id_comes_last(model: type[RunUpdate | RunResult]) -> None:
    assert list(model.model_fields)[-2:] == ["previous_revision", "occurred_at"]


@pytest.mark.parametrize("previous", [None, 1, 7])
def test_the_time_and_the_previous_revision_do_not_change_the_id(previous: int | None) -> None:
    update = build_update(a_run(), UpdateKind.FALLOUT)
    later = update.model_copy(
        update={"occurred_at": NOON + timedelta(minutes=1), "previous_revision": previous},
    )
    newer = update.model_copy(update={"revision": update.revision + 1})
    assert derive_message_id("e-1", later) == derive_message_id("e-1", update)
    assert derive_message_id("e-1", newer) != derive_message_id("e-1", update)


def test_more_messages_than_are_kept_have_their_own_texts() -> None:
    messages = [build_update(a_run(f"TR{n % 9}"), UpdateKind.PROGRESS, version=n) for n in range(3 * texts._MAX_TEXTS)]
    written = [json_text(message) for message in messages]
    assert written == [message.model_dump_json(exclude_none=True) for message in messages]
    assert [json_text(message) for message in messages] == written


def test_a_copy_with_another_field_has_another_text() -> None:
    update = build_update(a_run(), UpdateKind.PROGRESS)
    assert '"spoke":"other"' in json_text(update.model_copy(update={"spoke": "other"})) != json_text(update)
