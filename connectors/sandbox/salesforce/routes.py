"""The addresses of the REST API."""

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.salesforce import reading, writing
from connectors.sandbox.salesforce.answers import ApiError, json
from connectors.sandbox.salesforce.calls import MISSING, Call, Work, guarded
from connectors.sandbox.salesforce.state import State

EVERYTHING: Final = ("GET", "POST", "PATCH", "DELETE")
ROW: Final = "/sobjects/{sobject}/{record_id}"
EXTERNAL: Final = "/sobjects/{sobject}/{field}/{key:path}"
MANY: Final = "/composite/sobjects"


def nothing(_call: Call) -> Response:
    """Answer that there is no such resource."""
    raise ApiError(404, "NOT_FOUND", MISSING)


RESOURCES: Final[tuple[tuple[str, str, Work], ...]] = (
    ("GET", "", reading.resources),
    ("GET", "/limits", reading.limits),
    ("GET", "/query", reading.query),
    ("GET", "/queryAll", reading.query),
    ("GET", "/query/{cursor}", reading.query_more),
    ("GET", "/queryAll/{cursor}", reading.query_more),
    ("GET", "/sobjects", reading.describe_all),
    ("POST", "/sobjects/{sobject}", writing.create),
    ("GET", "/sobjects/{sobject}/describe", reading.describe),
    ("GET", "/sobjects/{sobject}/updated", reading.updated),
    ("GET", "/sobjects/{sobject}/deleted", reading.deleted),
    ("GET", ROW, reading.read),
    ("PATCH", ROW, writing.change),
    ("DELETE", ROW, writing.remove),
    ("GET", EXTERNAL, reading.read_external),
    ("PATCH", EXTERNAL, writing.put_external),
    ("POST", MANY, writing.insert_many),
    ("PATCH", MANY, writing.update_many),
    ("DELETE", MANY, writing.delete_many),
    ("GET", MANY + "/{sobject}", reading.retrieve_many),
    ("POST", MANY + "/{sobject}", reading.retrieve_many),
    ("PATCH", MANY + "/{sobject}/{field}", writing.upsert_many),
    *((method, "/{rest:path}", nothing) for method in EVERYTHING),
)
"""Method, path under the version, and what is done; the first that fits is taken."""


def routes(state: State) -> list[Route]:
    """Return the routes of the API; a slash at the end makes no difference."""

    async def versions(_request: Request) -> Response:
        return json(reading.versions())

    found = [Route(f"/services/data{slash}", versions) for slash in ("", "/")]
    for method, path, work in RESOURCES:
        endpoint = guarded(state, work)
        for slash in ("", "/"):
            at = f"/services/data/v{{version}}{path}{slash}"
            found.append(Route(at, endpoint, methods=[method]))
    return found
