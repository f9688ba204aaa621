"""Every response has exactly one verdict, with reasons of bounded length."""

from __future__ import annotations

from itertools import product

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.responses import VERDICTS, HttpResponse, NoResponse, Purpose, ResponseMeaning, Verdict, classify, reasons_in
from schemas.results import Reason
from tests.builders.runs import NOON

SUCCESS = frozenset({200, 201, 202})
WRITES = (Purpose.SEND, Purpose.CHANGE, Purpose.CANCEL)
REPEATABLE = tuple(purpose for purpose in Purpose if purpose is not Purpose.SEND)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | st.floats(allow_nan=False) | st.text(max_size=900),
    lambda inner: (
        st.lists(inner, max_size=15)
        | st.dictionaries(
            st.sampled_from(
                (
                    "code",
                    "reason",
                    "message",
                    "propertyPath",
                    "error",
                    "errors",
                    "detail",
                    "loc",
                    "source",
                    "pointer",
                    "violations",
                    "invalid-params",
                    "name",
                    "x",
                )
            ),
            inner,
        )
    ),
    max_leaves=25,
)


def verdict(purpose: Purpose, status: int, *, success: frozenset[int] = SUCCESS) -> Verdict:
    return classify(purpose, HttpResponse(status=status), success, now=NOON).verdict


def refused(body: object, status: int = 422) -> tuple[Reason, ...]:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    return classify(Purpose.SEND, HttpResponse(status=status, body=raw), SUCCESS, now=NOON).reasons


@pytest.mark.parametrize(
    ("purposes", "statuses", "expected"),
    [
        (tuple(Purpose), (200, 201, 202), Verdict.ACCEPTED),
        (WRITES, (400, 422), Verdict.REFUSED),
        ((Purpose.READ, Purpose.LOOK_UP), (400, 422), Verdict.CONFIGURATION),
        (tuple(Purpose), (401, 403, 415), Verdict.CONFIGURATION),
        ((Purpose.SEND,), (404, 405, 501), Verdict.CONFIGURATION),
        (WRITES, (300, 301, 302, 303, 304, 305, 306, 307, 308, 399, 406, 417), Verdict.AMBIGUOUS),
        ((Purpose.READ, Purpose.LOOK_UP), (301, 302, 304, 308, 406, 413, 417, 418, 451, 498), Verdict.CONFIGURATION),
        ((Purpose.CHANGE, Purpose.CANCEL, Purpose.READ), (404, 410), Verdict.LOST),
        ((Purpose.CHANGE, Purpose.CANCEL), (405, 501), Verdict.REFUSED),
        (WRITES, (409,), Verdict.CONFLICT),
        (tuple(Purpose), (423, 425, 429, 503, 507), Verdict.TRANSIENT),
        (REPEATABLE, (408, 500, 502, 504, 520), Verdict.TRANSIENT),
        ((Purpose.SEND,), (204, 303, 408, 500, 502, 504, 524), Verdict.AMBIGUOUS),
        (WRITES, (203, 204, 206, 299), Verdict.AMBIGUOUS),
        ((Purpose.READ, Purpose.LOOK_UP), (203, 206), Verdict.ACCEPTED),
        (WRITES, (413, 418, 451), Verdict.REFUSED),
    ],
)
def test_a_status_means_what_the_table_says(
    purposes: tuple[Purpose, ...], statuses: tuple[int, ...], expected: Verdict
) -> None:
    assert {verdict(purpose, status) for purpose, status in product(purposes, statuses)} == {expected}


def test_every_status_of_the_table_has_a_row_for_every_purpose() -> None:
    assert {VERDICTS[key] for key in VERDICTS if key[1] == 404} == {Verdict.CONFIGURATION, Verdict.LOST}
    per_status: dict[int, set[Purpose]] = {}
    for purpose, status in VERDICTS:
        per_status.setdefault(status, set()).add(purpose)
    assert all(purposes == set(Purpose) for purposes in per_status.values())


# What the answer to a POST proves, for every status: what is not named here leaves the run in doubt.
NOT_PERFORMED = {401, 402, 403, 404, 405, 407, 410, 411, 414, 415, 421, 426, 428, 431, 495, 496, 497, 501, 505, 511}
NOT_BEGUN = {423, 425, 429, 503, 507}
EXISTS_OR_NOT_POSSIBLE = {409, 412}
PERHAPS_PERFORMED = {*range(100, 200), *range(203, 400), 406, 408, 417, 460, 499} | (
    {*range(500, 600)} - NOT_PERFORMED - NOT_BEGUN
)
# Every other status of this class is a refusal of this run (RFC 9110: like 400).
REFUSALS = {*range(400, 500)} - NOT_PERFORMED - NOT_BEGUN - EXISTS_OR_NOT_POSSIBLE - PERHAPS_PERFORMED


def test_every_status_of_a_post_is_decided_on_purpose() -> None:
    expected = {
        Verdict.ACCEPTED: set(SUCCESS),
        Verdict.CONFIGURATION: NOT_PERFORMED,
        Verdict.TRANSIENT: NOT_BEGUN,
        Verdict.CONFLICT: EXISTS_OR_NOT_POSSIBLE,
        Verdict.AMBIGUOUS: PERHAPS_PERFORMED,
        Verdict.REFUSED: REFUSALS,
    }
    found: dict[Verdict, set[int]] = {}
    for status in range(100, 600):
        found.setdefault(verdict(Purpose.SEND, status), set()).add(status)
    assert found == expected


@pytest.mark.parametrize("purpose", [Purpose.CHANGE, Purpose.CANCEL])
def test_every_status_of_a_change_or_cancellation_is_decided_on_purpose(purpose: Purpose) -> None:
    expected = {
        Verdict.ACCEPTED: set(SUCCESS),
        Verdict.AMBIGUOUS: {*range(203, 400), 406, 417},  # the run is read: it shows whether it was done
        Verdict.LOST: {404, 410},
        Verdict.CONFLICT: EXISTS_OR_NOT_POSSIBLE,
        Verdict.REFUSED: REFUSALS | {405, 501},
        Verdict.CONFIGURATION: NOT_PERFORMED - {404, 405, 410, 501},
        Verdict.TRANSIENT: {*range(100, 200), 408, 460, 499, 423, 425, 429, *range(500, 600)} - {501, 505, 511},
    }
    found: dict[Verdict, set[int]] = {}
    for status in range(100, 600):
        found.setdefault(verdict(purpose, status), set()).add(status)
    assert found == expected


@pytest.mark.parametrize(("purpose", "lost"), [(Purpose.LOOK_UP, set()), (Purpose.READ, {404, 410})])
def test_every_status_of_a_read_is_decided_on_purpose(purpose: Purpose, lost: set[int]) -> None:
    transient = {*range(100, 200), 408, 409, 412, 423, 425, 429, 460, 499, *range(500, 600)} - {501, 505, 511}
    for status in range(100, 600):
        expected = (
            Verdict.ACCEPTED
            if status in range(200, 300)
            else Verdict.LOST
            if status in lost
            else Verdict.TRANSIENT
            if status in transient
            else Verdict.CONFIGURATION  # a read that fails never decides about its run
        )
        assert verdict(purpose, status) is expected, status


@pytest.mark.parametrize("status", [400, 403, 404, 413, 415, 422, 429, 501, 503])
@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"location": "/serviceTest/7"}, b""),
        ({}, b'{"id": "7", "state": "acknowledged"}'),
        ({}, b'\xef\xbb\xbf {"href": "/serviceTest/7", "name": "line 1"}'),
    ],
)
def test_an_answer_that_shows_the_run_is_no_refusal(status: int, headers: dict[str, str], body: bytes) -> None:
    answer = HttpResponse(status=status, headers=headers, body=body)
    assert classify(Purpose.SEND, answer, SUCCESS, now=NOON).verdict is Verdict.AMBIGUOUS


@pytest.mark.parametrize(
    "body", [b'{"id": "E7", "code": "60"}', b'{"id":', b'{"error": {"id": "7", "state": "x"}}', b'["id", "state"]']
)
def test_the_id_of_an_error_is_no_run(body: bytes) -> None:
    assert classify(Purpose.SEND, HttpResponse(status=422, body=body), SUCCESS, now=NOON).verdict is Verdict.REFUSED


@given(st.sampled_from(Purpose), st.integers(100, 999))
def test_every_status_has_a_verdict_with_reasons_unless_it_is_a_success(purpose: Purpose, status: int) -> None:
    judgement = classify(purpose, HttpResponse(status=status), SUCCESS, now=NOON)
    assert bool(judgement.reasons) is (judgement.verdict is not Verdict.ACCEPTED)


@given(st.sampled_from(Purpose), st.integers(100, 999))
def test_the_success_statuses_of_a_profile_take_precedence(purpose: Purpose, status: int) -> None:
    judgement = classify(purpose, HttpResponse(status=status), frozenset({status}), now=NOON)
    assert judgement == ResponseMeaning(verdict=Verdict.ACCEPTED)


@given(st.sampled_from((*range(200, 300), *range(500, 600))))
def test_a_post_that_was_perhaps_processed_is_never_refused(status: int) -> None:
    assert verdict(Purpose.SEND, status, success=frozenset({201})) is not Verdict.REFUSED


@given(st.integers(500, 599) | st.just(408))
def test_only_a_status_for_work_not_begun_proves_that_a_post_did_nothing(status: int) -> None:
    says_not_begun = status in {501, 503, 505, 507, 511}
    assert (verdict(Purpose.SEND, status) is not Verdict.AMBIGUOUS) is says_not_begun


@given(st.sampled_from(Purpose), st.booleans())
def test_only_a_post_without_an_answer_has_an_unknown_outcome(purpose: Purpose, sent: bool) -> None:  # noqa: FBT001 - drawn
    judgement = classify(purpose, NoResponse(perhaps_sent=sent, cause="read timed out"), SUCCESS, now=NOON)
    doubt = sent and purpose is Purpose.SEND
    assert judgement.verdict is (Verdict.AMBIGUOUS if doubt else Verdict.TRANSIENT)
    assert judgement.reasons == (Reason(code="NO_ANSWER", message="read timed out"),)


@pytest.mark.parametrize("purpose", Purpose)
def test_a_bad_certificate_is_configuration(purpose: Purpose) -> None:
    silence = NoResponse(perhaps_sent=False, cause="the certificate of lab.example expired", certificate_invalid=True)
    judgement = classify(purpose, silence, SUCCESS, now=NOON)
    assert judgement.verdict is Verdict.CONFIGURATION
    assert judgement.reasons[0].code == "CERTIFICATE_INVALID"


@pytest.mark.parametrize(("header", "seconds"), [("7", 7), ("Mon, 23 Nov 2026 12:00:30 GMT", 30), ("later", None)])
@pytest.mark.parametrize("status", [202, 429, 503])
def test_retry_after_is_passed_on(status: int, header: str, seconds: float | None) -> None:
    answer = HttpResponse(status=status, headers={"retry-after": header})
    assert classify(Purpose.SEND, answer, SUCCESS, now=NOON).retry_after == seconds


def test_the_error_body_of_tmf630_becomes_a_reason() -> None:
    body = {"code": 60, "reason": "Invalid body", "message": "relatedService.id is missing", "status": "400"}
    assert refused(body) == (Reason(code="60", message="Invalid body: relatedService.id is missing"),)


def test_a_list_of_mef_errors_becomes_a_reason_each() -> None:
    body = [
        {"code": "missingProperty", "reason": "missing", "message": "no id", "propertyPath": "/a/0/id"},
        {"code": "invalidValue", "reason": "out of range"},
    ]
    assert refused(body) == (
        Reason(code="missingProperty", message="missing: no id", property_path="/a/0/id"),
        Reason(code="invalidValue", message="out of range"),
    )


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", Reason(code="HTTP_422", message="answered 422 Unprocessable Entity")),
        (b"{}", Reason(code="HTTP_422", message="answered 422 Unprocessable Entity")),
        (b"[]", Reason(code="HTTP_422", message="answered 422 Unprocessable Entity")),
        (b" \n", Reason(code="HTTP_422", message="answered 422 Unprocessable Entity")),
        (b"<h1>No\x00\n  entry</h1>", Reason(code="HTTP_422", message="<h1>No entry</h1>")),
        (b"\xff\xfe", Reason(code="HTTP_422", message="\ufffd\ufffd")),
        ({"error": {"code": "E7", "detail": "no line"}}, Reason(code="E7", message="no line")),
        ({"errors": [{"code": "E8", "message": "no port"}]}, Reason(code="E8", message="no port")),
        ({"title": "Bad", "detail": "no mode"}, Reason(code="HTTP_422", message="Bad: no mode")),
        ({"code": True, "reason": "same", "message": "same"}, Reason(code="HTTP_422", message="same")),
        ({"code": " ", "why": 1}, Reason(code="HTTP_422", message='{"code":" ","why":1}')),
        ("line busy", Reason(code="HTTP_422", message="line busy")),
    ],
)
def test_any_other_body_becomes_one_line_of_text(body: object, reason: Reason) -> None:
    assert refused(body) == (reason,)


def test_a_status_without_a_name_still_has_a_sentence() -> None:
    assert refused(b"", status=599) == (Reason(code="HTTP_599", message="answered 599"),)


def test_a_long_list_of_errors_is_cut_with_a_note() -> None:
    reasons = refused([{"code": f"E{number}", "reason": "no"} for number in range(37)])
    assert [reason.code for reason in reasons[:9]] == [f"E{number}" for number in range(9)]
    assert reasons[9].message == "and 28 more reasons"
    assert len(reasons) == 10


def test_the_pointers_of_a_problem_of_rfc_9457_are_kept() -> None:
    body = {
        "type": "https://example.net/validation-error",
        "title": "Your request is not valid.",
        "errors": [
            {"detail": "must be a positive integer", "pointer": "#/characteristic/0/value"},
            {"pointer": "#/mode"},
        ],
    }
    assert refused(body) == (
        Reason(code="HTTP_422", message="must be a positive integer", property_path="#/characteristic/0/value"),
        Reason(code="HTTP_422", message="Your request is not valid.", property_path="#/mode"),
    )


def test_the_pointer_of_a_problem_itself_is_kept() -> None:
    body = {"title": "Bad", "status": 422, "detail": "must be positive", "pointer": "/testMeasure/0"}
    assert refused(body) == (Reason(code="HTTP_422", message="Bad: must be positive", property_path="/testMeasure/0"),)


def test_the_invalid_parameters_of_rfc_7807_are_named() -> None:
    body = {"title": "Invalid", "invalid-params": [{"name": "age", "reason": "must be positive"}, "colour"]}
    assert refused(body) == (
        Reason(code="HTTP_422", message="must be positive", property_path="age"),
        Reason(code="HTTP_422", message="colour"),
    )


@pytest.mark.parametrize(
    ("source", "path"),
    [({"pointer": "/data/attributes/age"}, "/data/attributes/age"), ({"parameter": "limit"}, "limit"), (7, None)],
)
def test_the_source_of_an_error_of_json_api_is_kept(source: object, path: str | None) -> None:
    body = {"errors": [{"status": "422", "code": "E9", "title": "Bad", "detail": "below 0", "source": source}]}
    assert refused(body) == (Reason(code="E9", message="Bad: below 0", property_path=path),)


@pytest.mark.parametrize(
    ("body", "path"),
    [
        ({"detail": [{"loc": ["body", "mode"], "msg": "field required", "type": "missing"}]}, "/body/mode"),
        ({"title": "Bad", "status": 400, "errors": {"$.mode": ["field required"]}}, "$.mode"),
        ({"timestamp": "now", "path": "/x", "errors": [{"field": "mode", "defaultMessage": "field required"}]}, "mode"),
        ({"violations": [{"field": "mode", "message": "field required"}]}, "mode"),
        ({"timestamp": "now", "status": 400, "path": "/serviceTest", "message": "field required"}, None),
    ],
    ids=["FastAPI", "ASP.NET", "Spring", "Hibernate", "an error of Spring names the request"],
)
def test_the_errors_of_web_frameworks_name_the_field(body: object, path: str | None) -> None:
    assert refused(body) == (Reason(code="HTTP_422", message="field required", property_path=path),)


@pytest.mark.parametrize("purpose", Purpose)
@pytest.mark.parametrize(
    "title",
    [
        "No required SSL certificate was sent",
        "The SSL certificate error",
        "The plain HTTP request was sent to HTTPS port",
    ],
)
def test_a_page_of_nginx_about_a_missing_client_certificate_is_configuration(purpose: Purpose, title: str) -> None:
    page = f"<html>\r\n<head><title>400 {title}</title></head>\r\n<body>".encode()
    assert classify(purpose, HttpResponse(status=400, body=page), SUCCESS, now=NOON).verdict is Verdict.CONFIGURATION


@given(st.binary(max_size=3000) | JSON.map(orjson.dumps), st.integers(100, 599))
def test_any_body_is_read_and_every_reason_is_short(body: bytes, status: int) -> None:
    reasons = reasons_in(HttpResponse(status=status, body=body))
    assert 1 <= len(reasons) <= 10
    assert all(0 < len(reason.message) <= 500 and 0 < len(reason.code) <= 64 for reason in reasons)
    assert all(reason.property_path is None or len(reason.property_path) <= 500 for reason in reasons)
    assert all((reason.message + reason.code).isprintable() for reason in reasons)


@pytest.mark.parametrize("body", ['{"errors":[%s]}', '{"errors":{"mode":[%s]}}', '{"code":"E1","detail":[%s]}', "[%s]"])
def test_a_refusal_whose_reasons_are_nested_deeply_is_a_refusal(body: str) -> None:
    nested = (body % ("[" * 600 + "]" * 600)).encode()
    meaning = classify(Purpose.SEND, HttpResponse(status=422, body=nested), SUCCESS, now=NOON)
    assert meaning.verdict is Verdict.REFUSED
    assert "nested too deeply" in meaning.reasons[0].message


def test_a_refusal_that_is_too_long_to_be_a_list_of_reasons_is_not_read() -> None:
    body = b'{"errors":[' + b'{"code":"E1"},' * 50_000 + b"1]}"
    assert [reason.code for reason in reasons_in(HttpResponse(status=422, body=body))] == ["HTTP_422"]
