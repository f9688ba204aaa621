"""Read a Service Test Request, by which ServiceNow's spoke selector orders a run, and write its answer.

A request has the table of the record and a request body, an answer `status_code` ("1" or "0"), `status_reason` and
`response_body`, each text or JSON of at most 4,000 characters.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import orjson

from router.northbound.errors import ApiRefusedError, MistakeCode, refuse
from router.northbound.json_limits import check_json, check_no_nul
from router.northbound.servicenow.shorten import MAX_ANSWER_LENGTH, cut, shorten
from router.northbound.servicenow.shown_run import shown_run
from schemas.text.json_body import read_json_body
from schemas.vocabulary import Phase, Result, RunState

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from router.northbound.order import RunView
    from router.northbound.writeback import Body, TargetFormat
    from schemas.results import Reason
    from schemas.text.json_types import JsonMapping

RUN_TABLE = "sn_st_mgmt_test"
MAX_TABLE_NAME_LENGTH = 200
SUCCESS: Literal["1"] = "1"
FAILURE: Literal["0"] = "0"
_RESULTS = {
    Result.PASS: "pass",
    Result.FAIL: "fail",
    Result.INCONCLUSIVE: "inconclusive",
    Result.TIMED_OUT: "timed out",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceTestRequest:
    """What is to be tested. `own_id` is the client's id of the run; `is_text`: its body came as JSON in a text."""

    own_id: str
    body: Body
    is_text: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswer:
    """The answer; `response_body` is within ServiceNow's limit."""

    status_code: Literal["0", "1"]
    status_reason: str
    response_body: Body

    def as_json(self, *, is_text: bool) -> Body:
        """Return the answer with its body in the form in which that of the request came."""
        body = self.response_body
        return {
            "status_code": self.status_code,
            "status_reason": self.status_reason,
            "response_body": orjson.dumps(body).decode() if is_text else body,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerForm:
    """How the runs of an answer are written, for which client; `address` leads to the whole run."""

    form: TargetFormat
    client: str
    address: str


def read_service_test_request(content: object, tables: Collection[str]) -> ServiceTestRequest:
    """Return what a request is about.

    Raises:
        ApiRefusedError: 400, with the place.
    """
    if not isinstance(content, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "the request must be a JSON object")
    _check_table(content.get("table_name"), tables)
    written = content.get("request_body")
    if written is None:
        raise refuse(400, MistakeCode.MISSING, "request_body is missing", "/request_body")
    body = _parsed(written) if isinstance(written, str) else written
    if not isinstance(body, dict):
        raise refuse(400, MistakeCode.INVALID_FORMAT, "request_body must be a JSON object", "/request_body")
    own_id = body.get("id")
    if not isinstance(own_id, str) or not own_id.strip():
        sentence = "the id of the run is missing: by its sys_id or number a repeated request is recognised"
        raise refuse(400, MistakeCode.MISSING, sentence, "/request_body/id")
    return ServiceTestRequest(own_id=own_id.strip(), body=body, is_text=has_text_body(content))


def has_text_body(content: object) -> bool:
    """Return whether the body of a request came as JSON in a text, as that of its answer does then."""
    return isinstance(content, dict) and isinstance(content.get("request_body"), str)


def answer_of(family: Sequence[RunView], reasons: Sequence[Reason], form: AnswerForm) -> RequestAnswer:
    """Return the answer about a run that is settled, or was refused for these reasons, with its children.

    Success means that every run was executed: whether the test passed is in the body.
    """
    root, *children = family
    failed = [view for view in family if view.state is not RunState.COMPLETED or _is_in_fallout(view)]
    why = [*reasons, *(reason for view in failed for reason in _reasons_of(view))]
    is_failure = bool(failed or reasons)
    sentence = _failure_sentence(root, failed, why) if is_failure else _success_sentence(family)
    return _answer(FAILURE if is_failure else SUCCESS, sentence, root, children, form)


def later_answer(family: Sequence[RunView], form: AnswerForm) -> RequestAnswer:
    """Return the answer that the result comes later: the order is stored, and executed in any case."""
    root, *children = family
    sentence = f"The test run is {_spoken(root.state)}; its result comes later. Send the same request again to get it."
    return _answer(SUCCESS, sentence, root, children, form)


def refusal_answer(refused: ApiRefusedError) -> RequestAnswer:
    """Return the answer to a request that is not taken, with every mistake that was found."""
    mistakes = [
        {"code": mistake.code.value, "reason": cut(mistake.sentence, 160), "propertyPath": cut(mistake.pointer, 60)}
        for mistake in refused.mistakes
    ]
    return RequestAnswer(
        status_code=FAILURE,
        status_reason=cut("; ".join(mistake.sentence for mistake in refused.mistakes), MAX_ANSWER_LENGTH),
        response_body=shorten({"errors": mistakes}),
    )


def error_answer(error: JsonMapping) -> RequestAnswer:
    """Return the answer to a request that was refused before it was read, from the TMF `Error` of its response."""
    listed = error.get("errors")
    entries: list[JsonMapping] = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    mistakes = [
        {name: cut(str(entry[name]), 160) for name in ("code", "reason", "propertyPath") if name in entry}
        for entry in entries or [error]
    ]
    return RequestAnswer(
        status_code=FAILURE,
        status_reason=cut("; ".join(mistake.get("reason", "") for mistake in mistakes), MAX_ANSWER_LENGTH),
        response_body=shorten({"errors": mistakes}),
    )


def is_settled(family: Sequence[RunView]) -> bool:
    """Return whether nothing more happens to a run by itself: it has ended with its children, or people must act."""
    root, *children = family
    if root.row is None:
        return root.state is RunState.REJECTED
    if _is_in_fallout(root):
        return True
    if not root.has_ended:
        return False
    is_tree = root.row.decision is not None and root.row.decision.hierarchical
    return not is_tree or all(child.has_ended or _is_in_fallout(child) for child in children)


def _answer(
    code: Literal["0", "1"], sentence: str, root: RunView, children: Sequence[RunView], form: AnswerForm
) -> RequestAnswer:
    body = shown_run(root, form.form, form.client)
    if children:
        body["childServiceTest"] = [shown_run(child, form.form, form.client) for child in children]
    short = shorten(body, form.address)
    if "shortened" in short:
        sentence = f"{sentence} The response body is shortened: {short['shortened']}"
    return RequestAnswer(status_code=code, status_reason=cut(sentence, MAX_ANSWER_LENGTH), response_body=short)


def _check_table(name: object, tables: Collection[str]) -> None:
    if name is None:
        raise refuse(400, MistakeCode.MISSING, "table_name is missing", "/table_name")
    if not isinstance(name, str) or len(name) > MAX_TABLE_NAME_LENGTH:
        sentence = f"table_name must be a text of at most {MAX_TABLE_NAME_LENGTH} characters"
        raise refuse(400, MistakeCode.INVALID_VALUE, sentence, "/table_name")
    if name not in tables:
        sentence = f"records of {', '.join(sorted(tables))} are taken, and not of this table"
        raise refuse(400, MistakeCode.INVALID_VALUE, sentence, "/table_name")


def _parsed(text: str) -> object:
    try:
        content = read_json_body(text.encode(), "application/json")
    except ValueError as error:
        is_cut = len(text) == MAX_ANSWER_LENGTH
        why = f"; it has {len(text)} characters, the most that ServiceNow keeps: it was perhaps cut" if is_cut else ""
        raise refuse(
            400, MistakeCode.INVALID_FORMAT, f"request_body is not JSON: {error}{why}", "/request_body"
        ) from None
    try:
        check_json(content)
        check_no_nul(content)
    except ApiRefusedError as refused:
        [mistake] = refused.mistakes
        raise refuse(400, mistake.code, mistake.sentence, f"/request_body{mistake.pointer}") from None
    return content


def _reasons_of(view: RunView) -> Sequence[Reason]:
    if view.row is not None:
        return view.row.reasons
    return view.refusal.reasons if view.refusal is not None else ()


def _is_in_fallout(view: RunView) -> bool:
    return view.row is not None and view.row.phase is Phase.FALLOUT


def _spoken(state: RunState) -> str:
    return "in progress" if state is RunState.IN_PROGRESS else state.value


def _success_sentence(family: Sequence[RunView]) -> str:
    root, *children = family
    result = root.row.result if root.row is not None else None
    passed = f", with the result {_RESULTS[result]}" if result in _RESULTS else ""
    return f"The test run is completed{passed}" + (f", and so are its {len(children)} child runs." if children else ".")


def _failure_sentence(root: RunView, failed: Sequence[RunView], why: Sequence[Reason]) -> str:
    children = sum(view is not root for view in failed)
    parts = [f"The test run is {_spoken(root.state)}"]
    if why and root in failed and _is_in_fallout(root):
        parts = ["The test run could not be executed, and waits for an operator"]
    elif root.row is None and why:
        parts = ["The test run was refused"]
    below = f"; {children} of its child runs are not completed" if children else ""
    reasons = "; ".join(dict.fromkeys(f"{reason.code}: {reason.message}" for reason in why))
    return parts[0] + below + (f": {reasons}" if reasons else ".")
