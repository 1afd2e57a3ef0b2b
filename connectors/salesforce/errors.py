"""What Salesforce's error codes mean to the loop.

Codes as in the API guide's `StatusCode` and `ExceptionCode`. The vendor's own message is never
passed on: it may quote the query, an address or a comment.
"""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

from connectors.errors import ConnectorError, Refused, Unauthorized, Unavailable, error_for

SERVICE: Final = "salesforce"
QUOTA_WAIT_S: Final = 3_600.0
INACTIVE_OWNER: Final = "inactive_owner"
GONE: Final = "gone"
UNAUTHORISED_STATUS: Final = 401
REDIRECTED: Final = range(301, 400)
RETRYABLE: Final = {
    "ALL_OR_NONE_OPERATION_ROLLED_BACK",
    "CONCURRENT_REQUESTS_LIMIT_EXCEEDED",
    "INVALID_QUERY_LOCATOR",
    "QUERY_TIMEOUT",
    "REQUEST_RUNNING_TOO_LONG",
    "SERVER_UNAVAILABLE",
    "SERVICE_UNAVAILABLE",
    "TOO_MANY_APEX_REQUESTS",
    "TXN_SECURITY_METERING_ERROR",
    "UNABLE_TO_LOCK_RECORD",
    "UNABLE_TO_LOCK_ROW",
    "UNKNOWN_EXCEPTION",
}
NO_RIGHTS: Final = {
    "API_CURRENTLY_DISABLED": "switch the API on for the org and the integration user",
    "API_DISABLED_FOR_ORG": "the org's edition or the user's profile has no API access",
    "FUNCTIONALITY_NOT_ENABLED": "the org has this feature switched off",
    "INSUFFICIENT_ACCESS": "give the integration user the permission set",
    "INVALID_FIELD": "a field is missing or not visible: run the doctor",
    "INVALID_SESSION_ID": "the session is not valid: look at the app's policies and rights",
    "INVALID_TYPE": "an object is missing or not visible: run the doctor",
    "NOT_FOUND": "an object or an external id field is missing or not visible: run the doctor",
    "OPERATION_TOO_LARGE": "give the integration user View All on the object",
    "UNSUPPORTED_API_VERSION": "this version of the API is retired: update npsloop",
}
REMEDIES: Final = {
    "CANNOT_EXECUTE_FLOW_TRIGGER": "a flow of the org stopped it",
    "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY": "a trigger of the org stopped it",
    "CANNOT_UPDATE_CONVERTED_LEAD": "the lead was converted already",
    "DUPLICATES_DETECTED": "a duplicate rule blocks it: let the rule allow saving over the API",
    "DUPLICATE_VALUE": "another record has this value already",
    "ENTITY_IS_DELETED": "the record was deleted",
    "ENTITY_IS_LOCKED": "the record is locked by an approval",
    "FIELD_CUSTOM_VALIDATION_EXCEPTION": "a validation rule of the org stopped it",
    "INACTIVE_OWNER_OR_USER": "the owner is inactive: choose another, or set a fallback owner",
    "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY": "we may not see what it names",
    "INSUFFICIENT_ACCESS_OR_READONLY": "we may not change this record",
    "INVALID_CROSS_REFERENCE_KEY": "a record that it names is not there any more",
    "INVALID_EMAIL_ADDRESS": "that is no e-mail address",
    "INVALID_FIELD": "the field is missing or not visible: run the doctor",
    "INVALID_FIELD_FOR_INSERT_UPDATE": "the integration user may not write the field",
    "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST": "the picklist does not have this value: add it",
    "INVALID_TYPE": "the object is missing or not visible: run the doctor",
    "MALFORMED_ID": "that is no id of such a record",
    "REQUIRED_FIELD_MISSING": "the org requires a field that npsloop does not write",
    "STORAGE_LIMIT_EXCEEDED": "the org is full: free some storage",
    "STRING_TOO_LONG": "the field is shorter than npsloop needs: run the doctor",
}
COLUMN: Final = re.compile(r"No such column '(\w{1,80})'")


class ApiError(msgspec.Struct, rename="camel"):
    """One error about a request."""

    error_code: str = ""
    message: str = ""
    fields: list[str] | None = None


class RecordError(msgspec.Struct, rename="camel"):
    """One error about a record."""

    status_code: str = ""
    message: str = ""
    fields: list[str] | None = None


def for_answer(status: int, body: bytes) -> ConnectorError:
    """Return the error that an answer stands for, be its body JSON, HTML or nothing."""
    found = _first(body)
    code = found.error_code if found else ""
    what = f"{code or 'no code'} (HTTP {status})"
    if code == "REQUEST_LIMIT_EXCEEDED":
        problem = "the day's API requests are used up"
        return Unavailable(SERVICE, problem, retry_after_s=QUOTA_WAIT_S)
    if code in RETRYABLE:
        return Unavailable(SERVICE, what)
    if code in NO_RIGHTS:
        return Unauthorized(SERVICE, f"{what}{_named(found)}: {NO_RIGHTS[code]}")
    if status in REDIRECTED:
        return Unauthorized(SERVICE, f"it sends us elsewhere (HTTP {status}): check my_domain")
    if found is not None and status < UNAUTHORISED_STATUS:
        return Refused(SERVICE, what, code=code or str(status))
    return error_for(SERVICE, status, what)


def for_record(errors: Sequence[RecordError]) -> ConnectorError:
    """Return the error that a record's line in the answer to a batch stands for."""
    first = errors[0] if errors else RecordError(status_code="UNKNOWN_EXCEPTION")
    code = first.status_code
    fields = f" on {', '.join(first.fields)}" if first.fields else ""
    if code in RETRYABLE:
        return Unavailable(SERVICE, f"{code}{fields}")
    remedy = REMEDIES.get(code, "the record stays as it is")
    problem = f"{code}{fields or _named(first)}: {remedy}"
    return Refused(
        SERVICE, problem, code=INACTIVE_OWNER if code == "INACTIVE_OWNER_OR_USER" else code
    )


def gone(what: str) -> Refused:
    """Return the refusal of something whose contact or account is not there any more."""
    return Refused(SERVICE, f"{what} was deleted in the CRM", code=GONE)


def is_error(body: bytes) -> bool:
    """Say whether a body is a list of errors, whatever its status was."""
    return _first(body) is not None


def _first(body: bytes) -> ApiError | None:
    try:
        found = msgspec.json.decode(body, type=list[ApiError])
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found[0] if found and found[0].error_code else None


def _named(error: ApiError | RecordError | None) -> str:
    """Name the column that a message complains of: an API name, nobody's data."""
    found = COLUMN.search(error.message) if error else None
    return f" on {found[1]}" if found else ""
