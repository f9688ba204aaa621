"""Drop failures that schemathesis reports because OpenAPI cannot express a rule; loaded by its command.

Each is recognised by the status and the sentence of the server, so that every other refusal is still a finding.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import schemathesis
from schemathesis.core.failures import AcceptedNegativeData
from schemathesis.openapi.checks import EnsureResourceAvailability, RejectedPositiveData

if TYPE_CHECKING:
    from schemathesis import Case, HookContext, Response
    from schemathesis.core.failures import Failure

# What is valid by its schema and refused all the same, with the sentence of the refusal.
RULES_BEYOND_SCHEMAS = {
    "JSON Schema compares whole entries of a list, and not one attribute of each": (
        r"two measures of a run have the same id|has the id .* write an id to each|comes with run .* twice"
    ),
    "a schema does not compare two attributes": (
        r"compares with nothing|is greater than|is before startDateTime|is before its startDateTime"
        r"|is another address than|and the value is of another kind|is '.*', as in "
    ),
    "which name the relationships of a specification have depends on the resource that is patched": (
        r"is the name that version 5 has for"
    ),
    "a schema does not bound the texts and names of attributes that it does not list": (
        r"holds a NUL character|has a name that is no text"
    ),
    "a schema bounds a number, and does not say which fractions a binary number holds": (
        r"64 bits do not hold the number"
    ),
    "which addresses may be called is a setting, and depends on the name service": r"the callback ",
    "how many runs and levels a whole hierarchy may have is a setting": (
        r"comes with \d+ runs, and one request may carry|runs may be nested \d+ levels deep"
    ),
    "a schema does not bound the depth of values of any form": r"more than 64 levels deep",
    "a schema does not bound what operations copy together": r"the operations copy too much",
    "a schema does not compare the two pointers of an operation": r"a value cannot be moved into itself",
    "a query in a text has a grammar of its own": r"the query ",
    "what a client may do with a run depends on the run, and ServiceNow knows no 409": (
        r"only cancelled can be set|it cannot be changed any more|either changed or cancelled"
        r"|nothing is left to cancel|was ordered with another body|the run of this order was deleted"
    ),
    "a parent that is named must exist": r"there is no such parent run",
    "which ids are free depends on what was added before, and ServiceNow knows no 409": (
        r"there is a specification with this id"
    ),
}
_REASON = re.compile("|".join(RULES_BEYOND_SCHEMAS.values()))
_CALLBACK = re.compile(r"https://[^\s\\@#]{1,100}")


@schemathesis.hook
def map_body(context: HookContext, body: Any) -> Any:  # noqa: ANN401 - JSON, or nothing
    """Return the body; a callback leads to a host that the policy of the test allows, so that some are taken."""
    is_hub = context.operation is not None and context.operation.path.endswith("/hub")
    if is_hub and isinstance(body, dict) and _CALLBACK.fullmatch(str(body.get("callback"))):
        path = sha256(body["callback"].encode()).hexdigest()
        return {**body, "callback": f"https://127.0.0.1:8443/{path}"}
    return body


@schemathesis.hook
def filter_failure(context: HookContext, failure: Failure, case: Case[Any], response: Response) -> bool:
    """Return whether a failure is a finding."""
    del context
    status = response.status_code
    if isinstance(failure, RejectedPositiveData):
        is_taken_key = status == 422 and "Idempotency-Key" in (case.headers or {})  # with another body, before
        return not (_is_rule_beyond_schemas(case, response) or _is_unmet_condition(case, status) or is_taken_key)
    if isinstance(failure, EnsureResourceAvailability):
        # Both versions show the same subscriptions, and a DELETE by the other one is not recognised.
        return "/hub/" not in failure.message + response.request.path_url
    if isinstance(failure, AcceptedNegativeData):
        return status != 413 and not _is_unmet_condition(case, status)
    return True


def _is_rule_beyond_schemas(case: Case[Any], response: Response) -> bool:
    if response.status_code != 400:
        return response.status_code == 413
    error = response.json()
    # What the operations of a JSON Patch lead to depends on the resource. A malformed operation is named by its number.
    is_of_result = not re.fullmatch(r"/\d+", str(error.get("propertyPath")))
    if case.media_type == "application/json-patch+json" and is_of_result:
        return True
    return _REASON.search(str(error.get("reason") or error.get("status_reason"))) is not None


def _is_unmet_condition(case: Case[Any], status: int) -> bool:
    """Return whether the resource has another entity tag than the request wants: no schema knows it."""
    return status == 412 and "If-Match" in (case.headers or {})
