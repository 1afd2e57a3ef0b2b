"""HubSpot's answers of failure, turned into errors that say what to do next.

https://developers.hubspot.com/docs/api-reference/error-handling

Every field of an error's body is taken for optional, and its message is never passed on: it
may hold an address or a comment. Codes and names of properties are enough to mend it.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec

from connectors.errors import ConnectorError, Refused, Unauthorized, Unavailable, error_for
from connectors.transport import retry_after_s

SERVICE: Final = "hubspot"
OWNER: Final = "hubspot_owner_id"
WAITS_S: Final = {"SECONDLY": 1.0, "TEN_SECONDLY_ROLLING": 10.0, "DAILY": 3600.0}
LOCKED: Final = 423
MIGRATING: Final = 477
LATER: Final = frozenset(
    {"RATE_LIMITS", "INTERNAL_ERROR", "SERVICE_UNAVAILABLE", "TIMEOUT", "OBJECT_LOCKED"}
)
REMEDIES: Final = {
    "PROPERTY_DOESNT_EXIST": "create it in HubSpot or name another in the settings",
    "READ_ONLY_VALUE": "name a property that can be written in the settings",
    "INVALID_OPTION": "add the option to the property in HubSpot",
    "OBJECT_NOT_FOUND": "the record is gone: the next pull tells where to",
    "INVALID_EMAIL": "correct the address",
}
NAME_MAX: Final = 100


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ConnectorError:
    """Return the error that an answer stands for, whatever its body holds."""
    told = _read(body)
    codes = list(_codes(told))
    words = f"{status} {', '.join(codes)}".strip()
    if status == 429:  # noqa: PLR2004 - too many requests
        return _too_fast(told, headers)
    if status == 401:  # noqa: PLR2004 - no token that it knows
        return Unauthorized(SERVICE, f"{words}: it does not take the access token; set another")
    if status == 403:  # noqa: PLR2004 - a token without the right
        scopes = ", ".join(_scopes(told)) or "the one for this call"
        return Unauthorized(SERVICE, f"{words}: the token lacks a scope ({scopes}); add it")
    if status == LOCKED:
        return Unavailable(SERVICE, f"{words}: locked", retry_after_s=2.0)
    error = error_for(SERVICE, status, words, retry_after_s=retry_after_s(headers))
    return refusal_of(told, words) if isinstance(error, Refused) else error


def error_of_item(told: Mapping[str, Any]) -> ConnectorError:
    """Return the error of one input of a batch."""
    words = ", ".join(_codes(told)) or "it gave no reason"
    if told.get("category") in LATER:
        return Unavailable(SERVICE, words)
    return refusal_of(told, words)


def refusal_of(told: Mapping[str, Any], words: str) -> Refused:
    """Return the refusal of a request, with its code and the remedy, where we know one."""
    names = [name for detail in _details(told) for name in _texts(detail, "propertyName")]
    codes = [str(detail["code"]) for detail in _details(told) if "code" in detail]
    category = str(told.get("category", ""))
    if OWNER in names:
        problem = f"{words}: this owner is inactive or unknown; choose another"
        return Refused(SERVICE, problem, code="inactive_owner")
    code = next((code for code in (*codes, category) if code), "")
    remedy = next((REMEDIES[c] for c in (*codes, category) if c in REMEDIES), "")
    return Refused(SERVICE, f"{words}: {remedy}" if remedy else words, code=code)


def ids_of(told: Mapping[str, Any]) -> list[str]:
    """Return the ids, or trace ids, of the inputs that an error of a batch is about."""
    return [*_texts(told, "objectWriteTraceId"), *_texts(told, "ids"), *_texts(told, "id")]


def existing_id(told: Mapping[str, Any]) -> str:
    """Return the id of the contact that has the address already, or nothing.

    A batch has it in a context, a single call only in the text: `... Existing ID: 123`.
    """
    number = str(told.get("message", "")).rpartition("Existing ID:")[2].strip(" .")
    return next(iter(_texts(told, "existingId")), number if number.isdigit() else "")


def _too_fast(told: Mapping[str, Any], headers: Mapping[str, str]) -> Unavailable:
    policy = str(told.get("policyName", ""))
    asked = retry_after_s(headers) or 0.0
    wait = max(asked, WAITS_S.get(policy, 10.0))
    what = "the day's calls are spent" if policy == "DAILY" else "too many calls at once"
    return Unavailable(SERVICE, f"429 {policy[:NAME_MAX]}: {what}", retry_after_s=wait)


def _read(body: bytes) -> dict[str, Any]:
    try:
        told = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def _codes(told: Mapping[str, Any]) -> Iterator[str]:
    """Give what went wrong, in codes: `VALIDATION_ERROR`, `PROPERTY_DOESNT_EXIST (nps)`."""
    if isinstance(category := told.get("category"), str):
        yield category[:NAME_MAX]
    for detail in _details(told):
        names = ", ".join(name[:NAME_MAX] for name in _texts(detail, "propertyName"))
        code = str(detail.get("code", ""))[:NAME_MAX]
        if code or names:
            yield f"{code} ({names})".strip() if names else code


def _details(told: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    errors = told.get("errors")
    if isinstance(errors, list):
        yield from (detail for detail in errors if isinstance(detail, dict))


def _scopes(told: Mapping[str, Any]) -> Iterator[str]:
    for part in (told, *_details(told)):
        yield from _texts(part, "requiredGranularScopes")
        yield from _texts(part, "requiredScopes")


def _texts(part: Mapping[str, Any], name: str) -> list[str]:
    context = part.get("context")
    found = context.get(name) if isinstance(context, dict) else None
    return [str(each) for each in found] if isinstance(found, list) else []
