"""What a profile says of paths, statuses, headers of a run and proxies is checked when it is loaded."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from consumers.dispatch.call import CallResult
from consumers.dispatch.correlation import with_run_headers
from consumers.spokes.conventions.http_conventions import RunHeaders
from consumers.spokes.port import Call
from consumers.spokes.registry import spoke_for
from consumers.spokes.tmf653.versions import VERSIONS
from router.responses import DeclaredMeaning, HttpResponse, Purpose, Verdict, classify
from router.runs.run import LastNotification
from tests.builders.runs import NOON, a_document, a_run
from tests.builders.spokes import a_command, a_profile, a_spoke, json_of

POST_BODY = HttpResponse(status=403, body=b'{"code": "1", "reason": "too many"}')


def meaning_of(profile: Any, method: str, purpose: Purpose, response: HttpResponse) -> CallResult:  # noqa: ANN401 - a profile
    declared = profile.meanings.get((method, response.status))
    meaning = classify(purpose, response, profile.success_codes_of(method), now=NOON, declared=declared)
    return CallResult(purpose=purpose, response=response, meaning=meaning)


@pytest.mark.parametrize(
    ("meaning", "verdict", "busy"),
    [
        ("busy", Verdict.TRANSIENT, True),
        ("transient", Verdict.TRANSIENT, False),
        ("refused", Verdict.REFUSED, False),
        ("configuration", Verdict.CONFIGURATION, True),
    ],
)
def test_a_status_means_what_the_profile_says(meaning: str, verdict: Verdict, busy: bool) -> None:  # noqa: FBT001
    profile = a_profile(status_meanings={403: meaning})
    result = meaning_of(profile, "POST", Purpose.SEND, POST_BODY)
    assert (result.meaning.verdict, result.is_busy) == (verdict, busy)


def test_a_meaning_with_a_method_counts_more_than_one_without() -> None:
    profile = a_profile(status_meanings={"POST 404": "refused", 404: "busy"})
    assert profile.meanings["POST", 404] is DeclaredMeaning.REFUSED
    assert profile.meanings["PATCH", 404] is DeclaredMeaning.BUSY


def test_a_status_of_a_busy_system_can_be_declared_to_concern_one_run() -> None:
    profile = a_profile(status_meanings={503: "transient"})
    result = meaning_of(profile, "POST", Purpose.SEND, HttpResponse(status=503))
    assert (result.meaning.verdict, result.is_busy) == (Verdict.TRANSIENT, False)


def test_a_response_that_shows_the_run_is_in_doubt_whatever_the_profile_says() -> None:
    profile = a_profile(status_meanings={500: "transient"})
    stored = HttpResponse(status=500, body=b'{"id": "7", "state": "acknowledged"}')
    assert meaning_of(profile, "POST", Purpose.SEND, stored).meaning.verdict is Verdict.AMBIGUOUS


@pytest.mark.parametrize("purpose", [Purpose.READ, Purpose.LOOK_UP])
def test_a_read_is_not_refused(purpose: Purpose) -> None:
    profile = a_profile(status_meanings={400: "refused"})
    meaning = meaning_of(profile, "GET", purpose, HttpResponse(status=400)).meaning
    assert meaning.verdict is Verdict.CONFIGURATION


def test_success_codes_of_a_method_replace_the_others() -> None:
    profile = a_profile(success_codes_by_method={"POST": [200]})
    assert meaning_of(profile, "POST", Purpose.SEND, HttpResponse(status=200)).meaning.verdict is Verdict.ACCEPTED
    assert meaning_of(profile, "POST", Purpose.SEND, HttpResponse(status=201)).meaning.verdict is Verdict.AMBIGUOUS
    assert meaning_of(profile, "PATCH", Purpose.CHANGE, HttpResponse(status=201)).meaning.verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("method", "purpose"),
    [
        ("GET", Purpose.READ),
        ("POST", Purpose.SEND),
        ("PATCH", Purpose.CHANGE),
        ("PATCH", Purpose.CANCEL),
        ("DELETE", Purpose.CANCEL),
    ],
)
def test_a_status_that_the_version_names_is_success_and_another_is_what_the_profile_says(
    version: str, method: str, purpose: Purpose
) -> None:
    strict, lenient = a_profile(version=version, success_codes=[206]), a_profile(version=version)
    named, in_profile = VERSIONS[version].success_of(method), {200, 201, 202, 204}

    def accepted(profile: Any) -> set[int]:  # noqa: ANN401 - a profile
        answers = {
            status: meaning_of(profile, method, purpose, HttpResponse(status=status)) for status in range(200, 300)
        }
        return {status for status, each in answers.items() if each.meaning.verdict is Verdict.ACCEPTED}

    assert named
    if method == "GET":  # what was read is there, whatever the status
        assert accepted(strict) == accepted(lenient) == set(range(200, 300))
    else:
        assert accepted(strict) == named | {206}
        assert accepted(lenient) == named | in_profile


@pytest.mark.parametrize("status", [200, 201, 202])
def test_the_statuses_of_a_task_that_cancels_are_success_whatever_the_profile_says_of_post(status: int) -> None:
    spoke = a_spoke(version="5.0", success_codes_by_method={"POST": [201]})
    assert status in spoke.to_cancel(a_run(), None, "key").also_success


def test_the_codes_of_a_version_are_not_those_of_another_dialect() -> None:
    profile = a_profile(dialect="jobs", success_codes=[200])
    assert {profile.success_codes_of(method) for method in ("GET", "POST", "PATCH", "DELETE")} == {frozenset({200})}


def test_calls_use_the_paths_of_the_profile() -> None:
    paths = {"create": "/tests/new", "search": "/tests", "run": "/tests/{id}", "cancel": "/tests/{id}/stop"}
    spoke, row = a_spoke(paths=paths, cancel="delete"), replace(a_run(), external_id="a/b")
    look_up = spoke.to_look_up(a_document())
    assert look_up is not None
    calls = [spoke.to_send(a_command(), None), look_up, spoke.to_list(0), spoke.to_read("a/b")]
    assert [call.path for call in calls] == ["/tests/new", "/tests", "/tests", "/tests/a%2Fb"]
    assert spoke.to_cancel(row, None, "key").path == "/tests/a%2Fb/stop"
    assert spoke.to_change(row, (), "key").path == "/tests/a%2Fb"
    assert spoke.to_read("..").path == "/tests/%2E%2E"


def test_a_run_is_cancelled_by_a_post_to_the_address_of_the_profile() -> None:
    spoke = a_spoke(cancel="post", paths={"cancel": "/serviceTest/{id}/cancel"}, state_spellings={"STOP": "cancelled"})
    call = spoke.to_cancel(replace(a_run(), external_id="89757"), None, "key")
    assert (call.method, call.path, call.idempotency_key) == ("POST", "/serviceTest/89757/cancel", "key")
    assert json_of(call) == {"state": "STOP"}


def test_look_ups_and_lists_have_the_parameters_that_the_system_knows() -> None:
    names = {"name": "title", "relatedService.id": "line", "offset": "start", "limit": "max"}
    spoke = a_spoke(look_up="name_and_service", query_names=names)
    look_up = spoke.to_look_up(a_document())
    assert look_up is not None
    assert [name for name, _ in look_up.query] == ["title", "line"]
    assert spoke.to_list(100).query == (("start", "100"), ("max", "100"))


@pytest.mark.parametrize("mapping", [{}, {"runs_at": "/items"}])
def test_fault_404_for_a_list_without_entries_is_a_matter_of_configuration(mapping: dict[str, Any]) -> None:
    fields: dict[str, Any] = {"empty_list_status": 404, "mapping": mapping} if mapping else {"empty_list_status": 404}
    spoke = spoke_for(a_profile(**fields))
    call = spoke.to_look_up(a_document())
    assert call is not None
    assert call.also_success == spoke.to_list(0).also_success == {404}
    answer = HttpResponse(status=404, body=b'{"items": "none", "error": "nothing found"}')
    page = spoke.read_page(answer, a_document())
    assert (page.found, page.shown, page.total) == (None, 0, None)
    # It says nothing about a run that the system had.
    assert spoke.to_read("89757").also_success == frozenset()


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"cancel": "post"}, "cancel: post needs paths.cancel, such as /serviceTest/{id}/cancel"),
        ({"query_names": {"title": "name"}}, "Input should be 'name', 'relatedService.id'"),
        ({"query_parameters": {"key": "env:KEY"}}, "a secret belongs to 'auth'"),
        ({"empty_list_status": 200}, "greater than or equal to 400"),
        ({"paths": {"run": "/tests"}}, "must contain {id} once"),
        ({"paths": {"create": "/tests/{id}"}}, "names all runs"),
        ({"paths": {"search": "tests"}}, "must begin with '/'"),
        ({"paths": {"search": "/../admin"}}, "must not have '.' or '..'"),
        ({"status_meanings": {200: "busy"}}, "must be a status from 300 to 599"),
        ({"status_meanings": {"HEAD 403": "busy"}}, "must be a status from 300 to 599"),
        ({"run_headers": {"tenant": "Host"}}, "must not be Host"),
        ({"proxy": {"url": "http://user:word@proxy:3128"}}, "must not carry credentials"),
        ({"proxy": {"url": "proxy:3128"}}, "must be an address such as"),
        ({"proxy": {"url": "http://proxy:3128", "username": "us"}}, "needed both"),
        ({"proxy": {"username": "us", "password": "file:P"}}, "need a url"),
    ],
)
def test_a_mistake_is_named(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=re.escape(sentence)):
        a_profile(**fields)


@given(request_id=st.text(min_size=1), run_id=st.text(min_size=1))
def test_a_call_without_a_trace_gets_one_of_its_request(request_id: str, run_id: str) -> None:
    call = Call(purpose=Purpose.READ, method="GET", path="/serviceTest/1")
    row = replace(a_run(), request_id=request_id, run_id=run_id)
    trace = with_run_headers(call, RunHeaders(), row, None).headers["traceparent"]
    other = with_run_headers(call, RunHeaders(), replace(row, run_id="another"), None).headers["traceparent"]
    assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-00", trace)
    assert trace[:35] == other[:35]


def test_a_call_carries_the_trace_of_its_event_or_of_the_last_one() -> None:
    call = Call(purpose=Purpose.READ, method="GET", path="/serviceTest/1")
    last = LastNotification(cause="e1", process_id="p", revision=1, updates=(), traceparent="last")
    row = replace(a_run(), last_notification=last, tenant=None)
    assert with_run_headers(call, RunHeaders(), row, "event").headers["traceparent"] == "event"
    assert with_run_headers(call, RunHeaders(), row, None).headers["traceparent"] == "last"
    silent = RunHeaders(conversation=None, tenant="X-Tenant", trace=False)
    assert with_run_headers(call, silent, row, "event").headers == {}
