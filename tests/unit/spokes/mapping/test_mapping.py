"""A profile maps the fields of TMF653 to those of its system and back; a mistake in a rule is named with its line."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from consumers.spokes.mapping.compiled import compile_rules
from consumers.spokes.mapping.known_fields import EVENT, READ, SENT, known_pointers
from consumers.spokes.mapping.mapped_spoke import MappedSpoke
from consumers.spokes.mapping.rules import MappingRule, SendRule
from consumers.spokes.profile_loader import ProfilesWrongError, load_profiles
from consumers.spokes.registry import spoke_for
from consumers.spokes.tmf653.spoke import Tmf653Spoke
from router.responses import HttpResponse
from router.runs.changes import find_field_changes
from schemas.run_document import Characteristic
from schemas.vocabulary import Channel, Result, RunState
from tests.builders.runs import a_document, a_run, a_tree
from tests.builders.spokes import a_command, a_notification, a_profile, json_of

if TYPE_CHECKING:
    from consumers.spokes.mapping.known_fields import FieldTree
    from consumers.spokes.port import Spoke

MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - bounds
MAPPING = {
    "send": [
        {"from": "/name", "to": "/title"},
        {"from": "/relatedService/id", "to": "/line"},
        {"from": "/mode", "to": "/when", "values": {"ONDEMAND": 1, "PROACTIVE": 2}, "otherwise": 0},
        {"from": "/startDateTime", "to": "/begin", "date": "%d.%m.%Y %H:%M", "zone": "Europe/Berlin"},
        {"from": "/characteristic/*/value", "to": "/parameters/*/val"},
        {"from": "/characteristic/*/name", "to": "/parameters/*/key"},
        {"drop": "/testSpecification/version"},
        {"from": "/state", "to": "/status", "values": {"cancelled": 9}},
    ],
    "create": [{"constant": {"owner": "assurance"}, "to": "/meta"}],
    "change": [{"constant": "changed", "to": "/reason"}],
    "receive": [
        {"from": "/key", "to": "/id"},
        {"from": "/title", "to": "/name"},
        {"from": "/status", "to": "/state", "values": {2: "inProgress", 3: "completed", True: "completed"}},
        {"from": "/readings/*/what", "to": "/testMeasure/*/metricName"},
        {"from": "/readings/*/number", "to": "/testMeasure/*/value/value"},
        {"from": "/readings/*/at", "to": "/testMeasure/*/captureDateTime", "date": "epochSeconds"},
    ],
    "event": [{"from": "/payload/job", "to": "/event/serviceTest"}, {"from": "/kind", "to": "/eventType"}],
    "run_at": "/data",
    "runs_at": "/data/jobs",
}
SHOWN = {"key": 7, "title": "t", "status": 3, "readings": [{"what": "loss", "number": 0.5, "at": 1_700_000_000}]}


def a_mapped_spoke(**mapping: object) -> Spoke:
    return spoke_for(a_profile(mapping=mapping or MAPPING))


def reply(body: object) -> HttpResponse:
    return HttpResponse(status=200, body=orjson.dumps(body))


PAGE = Path(__file__).parents[4] / "docs" / "how-to" / "connect-a-system.md"


@pytest.mark.parametrize(("verdict", "read"), [("OK", Result.PASS), ("NOK", Result.FAIL), (None, None)])
def test_the_page_maps_the_verdict_of_a_system(verdict: object, read: Result | None) -> None:
    rules = re.search(r"`mapping: (\{receive: .*/result.*\})`", PAGE.read_text(encoding="utf-8"))
    assert rules
    spoke = a_mapped_spoke(**YAML(typ="safe").load(rules[1]))
    answer = {"id": "1", "state": "completed", "verdict": verdict, "why": "line is down"}
    report = spoke.read_reply(reply(answer))
    assert (report.verdict, report.status_reason) == (read, "line is down")


@given(st.none() | st.sampled_from(["green", "red", "", "0"]) | st.integers() | st.booleans(), st.booleans())
def test_null_is_translated_by_a_row_of_its_own_only(value: object, writes: bool) -> None:  # noqa: FBT001 - drawn
    for table, of_null in (({"green": 1}, None), ({"green": 1, None: 2}, 2)):
        rule = MappingRule.model_validate({"from": "/a", "to": "/b", "values": table, "otherwise": 9})
        found = compile_rules([rule], writes=writes)({"a": value})
        assert found == {"b": of_null if value is None else 1 if value == "green" else 9}


def test_the_example_of_other_words_reads_what_it_says_that_its_system_answers() -> None:
    file = PAGE.parents[1] / "examples" / "other-words.yaml"
    spoke = spoke_for(load_profiles([file])[0])
    run = a_document(
        "LT-1",
        description="d",
        characteristic=(Characteristic(name="probes", value=5), Characteristic(name="x", value=1)),
    )
    posted = json_of(spoke.to_send(a_command(run), None))
    assert posted == {"titel": posted["titel"], "leitung": "PI0001", "pruefplan": "fibre-line", "sonden": 5}
    comment = "".join(
        line.lstrip("# ") for line in file.read_text(encoding="utf-8").splitlines() if line.startswith("#")
    )
    answer = re.search(r"GET /aufgaben/4711 +(\{.*\})POST", comment)
    assert answer
    report = spoke.read_reply(reply(orjson.loads(answer[1])))
    assert (report.external_id, report.state, report.reasons) == ("4711", RunState.COMPLETED, ())
    assert (report.verdict, report.status_reason) == (Result.PASS, None)
    assert [(one.metric_name, one.value, one.unit_of_measure) for one in report.measures] == [("latency", 12.5, "ms")]
    call = spoke.to_look_up(run)
    assert call is not None
    assert call.query == (("titel", posted["titel"]),)


def test_a_characteristic_of_a_measure_becomes_a_measure_as_the_page_about_5_0_shows() -> None:
    place, to = "/testMeasure/0/testMeasureCharacteristic/0/value", "/testMeasure/[metricName=samples]/value"
    assert f"from `{place}` to `{to}`" in (PAGE.parents[1] / "tmf653-support.md").read_text(encoding="utf-8")
    spoke = a_mapped_spoke(receive=[{"from": place, "to": to}])
    measures = [{"metricName": "delay", "value": 1, "testMeasureCharacteristic": [{"value": 5}]}]
    report = spoke.read_reply(reply({"id": "1", "testMeasure": measures}))
    assert [(one.metric_name, one.value) for one in report.measures] == [("delay", 1), ("samples", 5)]


@pytest.mark.parametrize(("rules", "fields"), [("send", SENT), ("receive", READ), ("event", EVENT)])
def test_each_field_that_the_page_lists_may_be_in_a_rule(rules: str, fields: FieldTree) -> None:
    page = (PAGE.parents[1] / "profiles.md").read_text(encoding="utf-8")
    listed = [*known_pointers(fields)]
    for pointer in listed:
        place = pointer.replace("/…", "/anything").replace("*", "0")
        a_profile(mapping={rules: [{"from": place} if rules == "send" else {"from": "/x", "to": place}]})
        shown = "/event/serviceTest/…" if pointer.startswith("/event/serviceTest/") else pointer
        assert f"`{shown}`" in page
    assert len(listed) > 5


def test_a_post_has_the_fields_of_the_system() -> None:
    run = a_document(
        characteristic=(Characteristic(name="port", value="1"),),
        start_date_time=datetime(2026, 7, 1, 8, 0, tzinfo=UTC),
    )
    body = json_of(a_mapped_spoke().to_send(a_command(run), None))
    assert body == {
        "title": "Line test TR0001",
        "line": "PI0001",
        "when": 1,
        "begin": "01.07.2026 10:00",
        "parameters": [{"val": "1", "key": "port"}],
        "testSpecification": {"id": "fibre-line"},
        "meta": {"owner": "assurance"},
    }


def test_a_change_and_a_cancellation_are_mapped_and_have_no_constants_of_a_post() -> None:
    spoke, row = a_mapped_spoke(), a_run(document=a_document(description="new"))
    change = spoke.to_change(row, find_field_changes(a_document(), row.requested), "key")
    assert json_of(change) == {"description": "new", "reason": "changed"}
    assert json_of(spoke.to_cancel(row, None, "key")) == {"status": 9, "reason": "changed"}


def test_runs_of_a_bundle_are_mapped_each() -> None:
    mapping = {"send": [{"from": "/name", "to": "/title"}]}
    tree = a_command(a_tree(children=2))
    tree = tree.model_copy(update={"decision": tree.decision.model_copy(update={"payload": "bundle"})})
    body = json_of(a_mapped_spoke(**mapping).to_send(tree, None))
    assert "title" in body
    assert [("title" in child, "name" in child) for child in body["childServiceTest"]] == [(True, False)] * 2


@pytest.mark.parametrize("kind", ["reply", "poll", "callback"])
def test_a_run_of_the_system_is_read_wherever_it_stands(kind: str) -> None:
    spoke = a_mapped_spoke()
    if kind == "reply":
        report = spoke.read_reply(reply({"data": SHOWN}))
    elif kind == "poll":
        report = spoke.read_callback(a_notification({"data": SHOWN}, channel=Channel.POLL))
    else:
        event = a_notification({"kind": "JobStateChange", "payload": {"job": SHOWN}})
        spoke.check_callback(event)
        report = spoke.read_callback(event)
    (measure,) = report.measures
    assert (report.external_id, report.state, report.thin) == ("7", RunState.COMPLETED, False)
    assert (measure.metric_name, measure.value) == ("loss", 0.5)
    assert measure.capture_date_time == datetime.fromtimestamp(1_700_000_000, UTC)


def test_what_was_posted_is_found_in_the_list_of_the_system() -> None:
    spoke = a_mapped_spoke()
    posted = json_of(spoke.to_send(a_command(), None))
    listed = {"data": {"jobs": [SHOWN, {**posted, "key": 8}]}}
    found = spoke.read_page(reply(listed), a_document()).found
    assert found is not None
    assert found.external_id == "8"


def test_an_error_and_an_empty_answer_are_read_as_they_are() -> None:
    spoke = a_mapped_spoke()
    assert spoke.read_reply(HttpResponse(status=202, headers={"location": "/serviceTest/9"})).external_id == "9"
    row = a_run()
    assert spoke.contradictions(HttpResponse(status=200, body=b"<html>"), row, ()) != ()


def test_a_change_that_the_system_shows_in_its_own_words_is_no_contradiction() -> None:
    spoke, row = a_mapped_spoke(receive=[{"from": "/note", "to": "/description"}]), a_run()
    changes = find_field_changes(a_document(), a_document(description="new"))
    row = a_run(document=a_document(description="new"))
    assert spoke.contradictions(reply({"id": row.external_id, "note": "new"}), row, changes) == ()
    assert spoke.contradictions(reply({"id": row.external_id, "note": "old"}), row, changes) != ()


def test_a_profile_without_a_mapping_has_no_wrapper() -> None:
    assert type(spoke_for(a_profile())) is Tmf653Spoke
    assert isinstance(spoke_for(a_profile(mapping={"run_at": "/data"})), MappedSpoke)


@given(moment=MOMENTS, form=st.sampled_from(["%Y-%m-%d %H:%M:%S", "epochSeconds", "epochMilliseconds"]))
def test_a_moment_is_the_same_after_both_ways(moment: datetime, form: str) -> None:
    moment = moment.replace(microsecond=0)
    rule = MappingRule.model_validate({"from": "/m", "date": form, "zone": "Asia/Kolkata"})
    sent = compile_rules([rule], writes=True)({"m": moment.isoformat()})
    back = compile_rules([rule], writes=False)(sent)["m"]
    assert isinstance(back, str)
    assert datetime.fromisoformat(back) == moment


@given(value=st.none() | st.booleans() | st.integers() | st.text() | st.lists(st.integers()))
def test_what_is_no_moment_or_in_no_table_stays(value: object) -> None:
    rules = [
        MappingRule.model_validate({"from": "/m", "date": "%H hours"}),
        MappingRule.model_validate({"from": "/m", "values": {"one": "two"}}),
    ]
    assert compile_rules(rules, writes=False)({"m": value}) == {"m": "two" if value == "one" else value}


def test_constants_are_the_same_for_every_body() -> None:
    rules = [
        SendRule.model_validate({"constant": {"a": []}, "to": "/x"}),
        SendRule.model_validate({"from": "/name", "to": "/x/a/-"}),
    ]
    apply = compile_rules(rules, writes=True)
    assert [apply({"name": name}) for name in "pq"] == [{"x": {"a": ["p"]}}, {"x": {"a": ["q"]}}]


@pytest.mark.parametrize(
    ("rule", "sentence"),
    [
        ("{from: /relatedServce/id, to: /x}", "there is no field 'relatedServce': did you mean 'relatedService'?"),
        ("{from: /relatedService/idd, to: /x}", "there is no field 'idd' in '/relatedService'"),
        ("{from: /characteristic/value, to: /x}", "'/characteristic' is a list"),
        ("{from: /name/first, to: /x}", "'/name' has no fields"),
        ("{drop: /nme}", "did you mean 'name'"),
        ("{from: name, to: /x}", "must be a JSON pointer"),
        ("{from: /name, constant: 1, to: /x}", "must have one of 'from', 'constant' and 'drop'"),
        ("{constant: 1}", "needs 'to'"),
        ("{drop: /name, to: /x}", "'to' has no place in a rule with 'drop'"),
        ("{from: /characteristic/*/value, to: /x}", "the same number of *"),
        ("{from: /startDateTime, date: iso}", "must be a format such as"),
        ("{from: /startDateTime, date: '%H', zone: Mars/Base}", "must be a time zone"),
        ("{from: /name, otherwise: 1}", "'otherwise' needs 'values'"),
    ],
)
def test_a_mistake_is_named_with_its_line(rule: str, sentence: str, tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    first = "{from: /description, to: /text}"
    file.write_text(f"name: lab\nbase_url: http://lab/v4\nmapping:\n  send:\n    - {first}\n    - {rule}\n", "utf-8")
    with pytest.raises(ProfilesWrongError) as caught:
        load_profiles([file])
    (mistake,) = caught.value.mistakes
    assert mistake.startswith(f"{file}:6: spoke 'lab', field 'mapping.send"), mistake
    assert 3 <= int(mistake.split(":")[1]) <= 6
    assert sentence in mistake


@pytest.mark.parametrize(
    ("mapping", "sentence"),
    [
        ({"receive": [{"from": "/x", "to": "/stat"}]}, "did you mean 'state'"),
        ({"event": [{"from": "/x", "to": "/events"}]}, "there is no field 'events'"),
    ],
)
def test_what_is_read_goes_to_fields_that_are_known(mapping: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        a_profile(mapping=mapping)


def test_a_mapping_needs_bodies_that_are_objects() -> None:
    patches = {"change": "application/json-patch+json"}
    with pytest.raises(ValueError, match="not a JSON patch"):
        a_profile(mapping={"send": [{"drop": "/mode"}]}, media_types=patches)


@pytest.mark.parametrize(
    ("sign", "written", "read"),
    [
        (",", "12,5", 12.5),
        (",", "1.234.567,25", 1234567.25),
        (",", "-1 234", -1234),
        (",", "1\u202f234,5", 1234.5),
        (",", " 7 ", 7),
        (".", "1,234.5", 1234.5),
        (",", "12.5", "12.5"),
        (",", "1.23,4", "1.23,4"),
        (",", "12,5 dB", "12,5 dB"),
        (",", "1234567890123456,5", "1234567890123456,5"),
        (",", "9" * 100_000, "9" * 100_000),
        (",", True, True),
        (",", 0.25, 0.25),
    ],
)
def test_fault_a_number_with_a_decimal_comma_stays_a_text(sign: str, written: object, read: object) -> None:
    apply = compile_rules([MappingRule(source="/value", decimal=sign)], writes=False)
    found = apply({"value": written})["value"]
    assert (type(found), found) == (type(read), read)


@given(value=st.integers(-(10**12), 10**12) | st.decimals(-99_999, 99_999, places=3).map(float))
def test_a_number_that_is_written_with_a_decimal_comma_is_read_again(value: float) -> None:
    rule = MappingRule(source="/value", decimal=",")
    written = compile_rules([rule], writes=True)({"value": value})
    assert isinstance(written["value"], str)
    assert "." not in written["value"]
    assert compile_rules([rule], writes=False)(written) == {"value": value}


def test_a_value_is_a_moment_or_a_number() -> None:
    with pytest.raises(ValueError, match="'date' and 'decimal' exclude each other"):
        MappingRule(source="/value", decimal=",", date="epochSeconds")
