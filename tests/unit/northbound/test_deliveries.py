"""What a subscriber's response means, and how events are signed."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.northbound.hub.delivery_result import MAX_RETRY_AFTER, DeliveryVerdict, delivery_result
from router.northbound.hub.signature import SigningKey, encode_secret, signature_headers
from router.responses import HttpResponse, NoResponse
from tests.builders.runs import NOON


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, DeliveryVerdict.DELIVERED),
        (201, DeliveryVerdict.DELIVERED),
        (204, DeliveryVerdict.DELIVERED),
        (301, DeliveryVerdict.FAILED),
        (307, DeliveryVerdict.FAILED),
        (400, DeliveryVerdict.REFUSED),
        (422, DeliveryVerdict.REFUSED),
        (401, DeliveryVerdict.FAILED),
        (404, DeliveryVerdict.FAILED),
        (410, DeliveryVerdict.GONE),
        (429, DeliveryVerdict.FAILED),
        (500, DeliveryVerdict.FAILED),
        (503, DeliveryVerdict.FAILED),
    ],
)
def test_a_status_concerns_one_event_or_the_subscriber(status: int, verdict: DeliveryVerdict) -> None:
    assert delivery_result(HttpResponse(status=status), NOON).verdict is verdict


def test_no_response_is_a_failure_unless_its_head_was_a_receipt() -> None:
    cut_off = NoResponse(perhaps_sent=True, cause="cut off", was_accepted=True)
    silent = NoResponse(perhaps_sent=True, cause="silent")
    assert delivery_result(cut_off, NOON).verdict is DeliveryVerdict.DELIVERED
    assert delivery_result(silent, NOON).problem == "silent"


@given(st.integers(100, 599), st.text())
def test_every_response_has_a_verdict_and_a_bounded_pause(status: int, retry_after: str) -> None:
    result = delivery_result(HttpResponse(status=status, headers={"retry-after": retry_after}), NOON)
    assert 0 <= result.retry_after <= MAX_RETRY_AFTER
    assert (result.verdict is DeliveryVerdict.DELIVERED) == (200 <= status < 300)


# The example of the specification Standard Webhooks 1.0.0.
def test_a_signature_is_that_of_standard_webhooks() -> None:
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    headers = signature_headers((secret,), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
    assert headers["webhook-timestamp"] == "1614265330"


@given(st.binary(max_size=200), st.text(min_size=32, max_size=40), st.uuids())
def test_a_subscriber_verifies_with_its_secret_and_nobody_elses(body: bytes, key: str, subscription: object) -> None:
    signing = SigningKey(key)
    own, other = signing.secret_of(str(subscription)), signing.secret_of("another")
    old = SigningKey(f"{key}'").secret_of(str(subscription))
    headers = signature_headers((own, old), "event", 1, body)
    signed = b"event.1." + body
    signatures = headers["webhook-signature"].split(" ")

    def expected(secret: bytes) -> str:
        return "v1," + base64.b64encode(hmac.new(secret, signed, hashlib.sha256).digest()).decode()

    assert signatures == [expected(own), expected(old)]
    assert expected(other) not in signatures
    assert base64.b64decode(encode_secret(own).removeprefix("whsec_")) == own
    assert key not in repr(signing)
