"""The vendor's shapes of an answer: JSON, a refusal of a request, a refusal of a record."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from starlette.responses import Response


class ApiError(Exception):
    """The whole request is refused: a list of one error, and a status."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message

    def body(self) -> list[dict[str, Any]]:
        """Return the vendor's body."""
        return [{"message": self.message, "errorCode": self.code}]


class SaveError(Exception):
    """One record is refused; in a batch the others go on."""

    def __init__(self, code: str, message: str, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.fields = list(fields)

    def result(self) -> dict[str, Any]:
        """Return the record's line in the answer to a batch."""
        error = {"statusCode": self.code, "message": self.message, "fields": self.fields}
        return {"success": False, "errors": [error]}

    def body(self) -> list[dict[str, Any]]:
        """Return the body of the answer to a request about this record alone."""
        return [{"message": self.message, "errorCode": self.code, "fields": self.fields}]

    @property
    def status(self) -> int:
        """Return the status of the answer to a request about this record alone."""
        return 404 if self.code in {"ENTITY_IS_DELETED", "NOT_FOUND"} else 400


class Saved(dict[str, Any]):
    """The line of a record that was saved."""

    def __init__(self, record_id: str, *, created: bool | None = None) -> None:
        super().__init__(id=record_id, success=True, errors=[])
        if created is not None:
            self["created"] = created


def json(
    body: object,
    status: int = 200,
    *,
    headers: Mapping[str, str] | None = None,
    pretty: bool = False,
) -> Response:
    """Return an answer of JSON, indented where `X-PrettyPrint: 1` asked for it."""
    content = orjson.dumps(body, option=orjson.OPT_INDENT_2 if pretty else None)
    return Response(content, status, dict(headers or {}), "application/json;charset=UTF-8")
