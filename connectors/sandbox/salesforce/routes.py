"""The addresses of the REST API."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.salesforce import reading, writing
from connectors.sandbox.salesforce.answers import ApiError, json
from connectors.sandbox.salesforce.calls import MISSING, Call, Work, guarded
from connectors.sandbox.salesforce.state import State


def routes(state: State) -> list[Route]:
    """Return the routes of the API."""

    def at(path: str, work: Work, method: str = "GET") -> Route:
        endpoint = guarded(state, work)
        name = f"{method} {path}"
        return Route(f"/services/data/v{{version}}{path}", endpoint, methods=[method], name=name)

    async def versions(_request: Request) -> Response:
        return json(reading.versions())

    row = "/sobjects/{sobject}/{record_id}"
    many = "/composite/sobjects"
    return [
        Route("/services/data", versions),
        Route("/services/data/", versions),
        at("/", reading.resources),
        at("/limits", reading.limits),
        at("/limits/", reading.limits),
        at("/query", reading.query),
        at("/query/", reading.query),
        at("/queryAll", reading.query),
        at("/queryAll/", reading.query),
        at("/query/{cursor}", reading.query_more),
        at("/queryAll/{cursor}", reading.query_more),
        at("/sobjects", reading.describe_all),
        at("/sobjects/", reading.describe_all),
        at("/sobjects/{sobject}/describe", reading.describe),
        at("/sobjects/{sobject}/updated/", reading.updated),
        at("/sobjects/{sobject}/updated", reading.updated),
        at("/sobjects/{sobject}/deleted/", reading.deleted),
        at("/sobjects/{sobject}/deleted", reading.deleted),
        at("/sobjects/{sobject}", writing.create, "POST"),
        at("/sobjects/{sobject}/", writing.create, "POST"),
        at(row, reading.read),
        at(row, writing.change, "PATCH"),
        at(row, writing.remove, "DELETE"),
        at("/sobjects/{sobject}/{field}/{key:path}", reading.read_external),
        at("/sobjects/{sobject}/{field}/{key:path}", writing.put_external, "PATCH"),
        at(many, writing.insert_many, "POST"),
        at(many, writing.update_many, "PATCH"),
        at(many, writing.delete_many, "DELETE"),
        at(many + "/{sobject}", reading.retrieve_many),
        at(many + "/{sobject}", reading.retrieve_many, "POST"),
        at(many + "/{sobject}/{field}", writing.upsert_many, "PATCH"),
        *(at("/{rest:path}", nothing, method) for method in ("GET", "POST", "PATCH", "DELETE")),
    ]


def nothing(_call: Call) -> Response:
    """Answer that there is no such resource."""
    raise ApiError(404, "NOT_FOUND", MISSING)
