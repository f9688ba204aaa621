"""Lists of events are stored whole or not at all, and one system cannot take the listener from the others."""

from __future__ import annotations

import asyncio

from consumers.inbound.callback_auth import AllowAnyone
from consumers.inbound.listener import CallbackConfig, ListenerLimits
from consumers.spokes.conventions.callback_limits import CallbackLimits
from tests.builders.spokes import a_spoke
from tests.contract.inbound.test_listener import EVENT, TOPIC, a_listener
from tests.fakes.recording_inbound_publisher import RecordingInboundPublisher

OTHER = EVENT | {"eventId": "e-2", "event": {"serviceTest": {"id": "89758", "state": "completed"}}}
ABOUT_NO_RUN = {"eventId": "e-3", "eventType": "ServiceTestSpecificationCreateEvent", "event": {"id": "S1"}}


def limited(**limits: float) -> dict[str, CallbackConfig]:
    config = CallbackConfig(authenticator=AllowAnyone(), limits=CallbackLimits.model_validate(limits))
    return {"fibre-lab": config, "copper-lab": CallbackConfig(authenticator=AllowAnyone())}


async def test_every_event_of_a_list_is_stored_as_a_record() -> None:
    async with a_listener(check=a_spoke().check_callback) as rig:
        status, answer = await rig.post("/fibre-lab/listener", [EVENT, ABOUT_NO_RUN, OTHER])
    assert status == 201
    assert len(answer["ids"]) == 3
    assert [(one.external_id, one.event_id) for one in rig.publisher.callbacks()] == [
        ("89757", "e-1"),
        ("89758", "e-2"),
    ]
    assert [message.key for message in rig.publisher.published] == [b"fibre-lab:89757", b"fibre-lab:89758"]
    assert [event.id for event in rig.publisher.events()] == [answer["ids"][0], answer["ids"][2]]
    assert rig.counts == [("fibre-lab", "stored")]


async def test_an_event_of_a_list_has_the_id_that_it_has_alone() -> None:
    async with a_listener() as rig:
        _, alone = await rig.post("/fibre-lab/listener", OTHER)
        _, together = await rig.post("/fibre-lab/listener", [EVENT, OTHER])
    assert together["ids"][1] == alone["id"]


async def test_one_event_that_cannot_be_read_refuses_the_whole_list() -> None:
    async with a_listener(check=a_spoke().check_callback) as rig:
        status, answer = await rig.post("/fibre-lab/listener", [EVENT, {"eventType": "x", "event": {"nothing": 1}}])
        assert (status, answer["code"]) == (400, "notACallback")
        assert answer["reason"].startswith("event 1 of the list: the callback cannot be read")
    assert rig.publisher.published == []


async def test_a_list_that_cannot_be_stored_is_asked_for_again() -> None:
    publisher = RecordingInboundPublisher()
    publisher.fail_topic(TOPIC)
    async with a_listener(publisher) as rig:
        assert (await rig.post("/fibre-lab/listener", [EVENT, OTHER]))[0] == 503
        publisher.restore_topic(TOPIC)
        assert (await rig.post("/fibre-lab/listener", [EVENT, OTHER]))[0] == 201
    assert len(publisher.published) == 2


async def test_a_cloud_event_in_binary_mode_is_stored_with_its_id_and_type() -> None:
    async with a_listener(check=a_spoke().check_callback) as rig:
        headers = {"ce-specversion": "1.0", "ce-id": "c-1", "ce-type": "ServiceTestCreateEvent", "ce-source": "/lab"}
        assert (await rig.post("/fibre-lab/listener", {"id": "89757", "state": "completed"}, **headers))[0] == 201
    (received,) = rig.publisher.callbacks()
    assert (received.external_id, received.event_id, received.event_type) == ("89757", "c-1", "ServiceTestCreateEvent")


async def test_a_system_above_its_rate_is_told_when_to_come_again_and_others_are_not_delayed() -> None:
    async with a_listener(spokes=limited(per_second=0.01, burst=2)) as rig:
        statuses = [(await rig.post("/fibre-lab/listener"))[0] for _ in range(2)]
        status, answer = await rig.post("/fibre-lab/listener")
        assert [*statuses, status] == [201, 201, 429]
        assert answer["code"] == "tooManyRequests"
        assert 90 <= int(answer["headers"]["Retry-After"]) <= 100
        assert (await rig.post("/copper-lab/listener"))[0] == 201
    assert ("fibre-lab", "tooManyRequests") in rig.counts


async def test_one_system_cannot_take_all_slots_of_the_listener() -> None:
    publisher = RecordingInboundPublisher()
    publisher.block()
    async with a_listener(publisher, limits=ListenerLimits(max_concurrent=4), spokes=limited()) as rig:
        posts = [asyncio.create_task(rig.post("/fibre-lab/listener")) for _ in range(3)]
        refused, _ = await asyncio.wait(posts, return_when=asyncio.FIRST_COMPLETED)
        assert [task.result()[0] for task in refused] == [503]
        other = asyncio.create_task(rig.post("/copper-lab/listener"))
        publisher.unblock()
        assert (await other)[0] == 201
        assert sorted([(await task)[0] for task in posts]) == [201, 201, 503]


async def test_the_size_and_the_depth_of_a_body_have_limits_of_their_own() -> None:
    deep: dict[str, object] = EVENT
    for _ in range(10):
        deep = EVENT | {"more": deep}
    async with a_listener(spokes=limited(max_body_bytes=5_000, max_depth=8)) as rig:
        status, answer = await rig.post("/fibre-lab/listener", EVENT | {"text": "x" * 5_000})
        assert (status, answer["reason"]) == (413, "the body is larger than 5000 bytes: send a thin event")
        status, answer = await rig.post("/fibre-lab/listener", deep)
        assert (status, answer["code"]) == (400, "notACallback")
        assert (await rig.post("/copper-lab/listener", deep))[0] == 201
        assert (await rig.post("/fibre-lab/listener"))[0] == 201
