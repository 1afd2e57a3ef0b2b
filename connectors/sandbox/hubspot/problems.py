"""What HubSpot says when it refuses: its error bodies, word for word where they are known.

https://developers.hubspot.com/docs/api-reference/error-handling
"""

import json
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

PORTAL = 48_120_077


class Invalid(NamedTuple):
    """One property that HubSpot refuses, and why."""

    name: str
    code: str
    message: str


class Problem(Exception):
    """HubSpot refuses a request, or one input of a batch."""

    def __init__(
        self,
        status: int,
        message: str,
        category: str = "VALIDATION_ERROR",
        *,
        errors: Sequence[Mapping[str, Any]] = (),
        context: Mapping[str, Sequence[str]] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.category = category
        self.errors = errors
        self.context = context or {}
        self.headers: dict[str, str] = {}
        self.more: dict[str, Any] = {}

    def body(self, number: int) -> dict[str, Any]:
        """Return the body of the refused request; the number makes its correlation id."""
        found: dict[str, Any] = {
            "status": "error",
            "message": self.message,
            "correlationId": str(uuid.uuid5(uuid.NAMESPACE_OID, str(number))),
        }
        if self.category:
            found["category"] = self.category
        if self.errors:
            found["errors"] = list(self.errors)
        if self.context:
            found["context"] = {name: list(values) for name, values in self.context.items()}
        return found | self.more

    def in_batch(self, trace_id: str) -> dict[str, Any]:
        """Return what a 207 says of the input with this trace id."""
        context = {name: list(values) for name, values in self.context.items()}
        return {
            "status": "error",
            "category": self.category,
            "message": self.message,
            "context": context | {"objectWriteTraceId": [trace_id]},
            "errors": list(self.errors),
            "links": {},
        }


def invalid(found: Sequence[Invalid]) -> Problem:
    """Return the refusal of some properties: a JSON list inside a text, and once more beside it."""
    listed = [
        {
            "isValid": False,
            "message": each.message,
            "error": each.code,
            "name": each.name,
            "localizedErrorMessage": each.message,
            "portalId": PORTAL,
        }
        for each in found
    ]
    return Problem(
        400,
        f"Property values were not valid: {json.dumps(listed)}",
        errors=[
            {"message": e.message, "code": e.code, "context": {"propertyName": [e.name]}}
            for e in found
        ],
    )


def unreadable(what: str) -> Problem:
    """Return the refusal of a body that is not what the endpoint takes."""
    return Problem(400, f"Invalid input JSON on line 1, column 1: {what}")


def not_found(what: str = "resource not found") -> Problem:
    """Return the answer about a record that is not there."""
    return Problem(404, what, "OBJECT_NOT_FOUND")


def unknown_type(name: str) -> Problem:
    """Return the answer about an object type that is not there: it has no category."""
    return Problem(400, f"Unable to infer object type from: {name}", "")


def taken(existing_id: str) -> Problem:
    """Return the refusal of an address that another contact has."""
    return Problem(409, f"Contact already exists. Existing ID: {existing_id}", "CONFLICT")


def no_token() -> Problem:
    """Return the answer to a request that names no token, or a wrong one."""
    return Problem(
        401,
        "Authentication credentials not found. This API supports OAuth 2.0 authentication and "
        "you can find more details at "
        "https://developers.hubspot.com/docs/methods/auth/oauth-overview",
        "INVALID_AUTHENTICATION",
    )


def too_fast(policy: str) -> Problem:
    """Return the refusal of a request over the rate `policy`."""
    found = Problem(429, f"You have reached your {policy.lower()} limit.", "RATE_LIMITS")
    found.more = {"errorType": "RATE_LIMIT", "policyName": policy, "groupName": "publicapi"}
    return found
