"""The request log counts repeated POSTs and masks credentials."""

from datetime import UTC, datetime

import orjson

from southbound.simulator.request_log import ReceivedRequest, RequestLog
from tests.harness.repeated_posts import repeated_posts


def a_post(name: str, key: str, **headers: str) -> ReceivedRequest:
    return ReceivedRequest(
        number=1,
        at=datetime(2026, 11, 23, tzinfo=UTC),
        method="POST",
        path="/serviceTest",
        query="",
        headers={"idempotency-key": key, **headers},
        body=orjson.dumps({"name": name}),
    )


def test_repeated_idempotency_keys_are_counted() -> None:
    ledger = RequestLog()
    ledger.requests += [a_post("root", "k1"), a_post("child", "k2"), a_post("root", "k1")]
    assert repeated_posts(ledger) == {"k1": 2}
    assert ledger.posted_names() == ("root", "child", "root")


def test_credentials_are_masked_in_the_log_of_requests() -> None:
    headers = a_post("root", "k1", authorization="Bearer secret").as_json()["headers"]
    assert headers == {"idempotency-key": "k1", "authorization": "***"}
