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

from tests.contract.northbound.rules_beyond_schemas import is_rule_beyond_schemas

if TYPE_CHECKING:
    from schemathesis import Case, HookContext, Response
    from schemathesis.core.failures import Failure

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
    return is_rule_beyond_schemas(error)


def _is_unmet_condition(case: Case[Any], status: int) -> bool:
    """Return whether the resource has another entity tag than the request wants: no schema knows it."""
    return status == 412 and "If-Match" in (case.headers or {})
