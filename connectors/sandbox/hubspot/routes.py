"""The addresses of the API, and what every request has to pass: its token and the rates."""

import json
from collections.abc import Callable
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from connectors.sandbox.hubspot import batch, objects, search
from connectors.sandbox.hubspot.problems import Problem, no_token, not_found, unreadable
from connectors.sandbox.hubspot.schema import Property, type_named
from connectors.sandbox.hubspot.state import State

VERSION: Final = "2026-09"
OBJECTS: Final = f"/crm/objects/{VERSION}"
ASSOCIATIONS: Final = f"/crm/associations/{VERSION}"
PROPERTIES: Final = f"/crm/properties/{VERSION}"
OWNERS: Final = f"/crm/owners/{VERSION}"
ACCOUNT: Final = f"/account-info/{VERSION}"
TYPES_OF_PROPERTY: Final = {"string", "number", "bool", "date", "datetime", "enumeration"}

Answer = tuple[int, Any]


class Call(NamedTuple):
    """A request, read."""

    state: State
    path: dict[str, str]
    query: dict[str, str]
    body: bytes

    @property
    def type(self) -> str:
        """The object type in the path."""
        return type_named(self.path["type"])

    @property
    def json(self) -> Any:  # noqa: ANN401 - any JSON
        """The body, read. Raise a 400 where it is no JSON."""
        try:
            return json.loads(self.body)
        except ValueError:
            raise unreadable("the body is no JSON") from None


def routes(state: State) -> list[Route]:
    """Return the API's routes."""
    return [
        Route(path, _endpoint(state, name, answer), methods=[method])
        for (method, path), (name, answer) in ADDRESSES.items()
    ]


def _endpoint(state: State, name: str, answer: Callable[[Call], Answer]) -> Any:  # noqa: ANN401
    async def endpoint(request: Request) -> Response:
        call = Call(state, dict(request.path_params), dict(request.query_params), b"")
        call = call._replace(body=await request.body())
        token = request.headers.get("Authorization", "")
        return _told(call, name, token, answer)

    return endpoint


def _told(call: Call, name: str, token: str, answer: Callable[[Call], Answer]) -> Response:
    state = call.state
    with state.lock:
        state.requests[name] += 1
        headers: dict[str, str] = {}
        try:
            _admit(state, token)
            headers = state.limits.spend(search=name == "search")
            status, body = answer(call)
        except Problem as problem:
            status, body = problem.status, problem.body(state.requests.total())
            if status == 429:  # noqa: PLR2004 - its headers say so
                headers = state.limits.headers() if name != "search" else {}
        headers["Date"] = state.now().strftime("%a, %d %b %Y %H:%M:%S GMT")
        content = b"" if body is None else json.dumps(body).encode()
    if body is not None:
        headers["Content-Type"] = "application/json;charset=utf-8"
    return Response(content, status, headers)


def _admit(state: State, header: str) -> None:
    kind, _, token = header.partition(" ")
    if kind != "Bearer" or not token or (state.token and token != state.token):
        raise no_token()


def _list(call: Call) -> Answer:
    return 200, objects.listed(call.state, call.type, call.query)


def _get(call: Call) -> Answer:
    return 200, objects.by_id(call.state, call.type, call.path["id"], call.query)


def _create(call: Call) -> Answer:
    return 201, objects.created(call.state, call.type, call.json).shown()


def _change(call: Call) -> Answer:
    asked = call.json
    if isinstance(asked, dict):
        asked |= {"idProperty": call.query.get("idProperty", "")}
    return 200, objects.updated(call.state, call.type, call.path["id"], asked).shown()


def _archive(call: Call) -> Answer:
    record = call.state.find(call.type, call.path["id"])
    if record is not None and record.archived_at is None:
        call.state.archive(call.type, record.id)
    return 204, None


def _merge(call: Call) -> Answer:
    asked, state = call.json, call.state
    try:
        winner, loser = asked["primaryObjectId"], asked["objectIdToMerge"]
    except (KeyError, TypeError):
        raise unreadable("primaryObjectId and objectIdToMerge") from None
    state.merge(call.type, winner, loser)
    return 200, state.get(call.type, winner).shown()


def _search(call: Call) -> Answer:
    asked = call.json
    if not isinstance(asked, dict):
        raise unreadable("expected an object")
    return 200, search.found(call.state, call.type, asked, len(call.body))


def _read(call: Call) -> Answer:
    archived = call.query.get("archived") == "true"
    return batch.read(call.state, call.type, call.json, archived=archived)


def _read_associations(call: Call) -> Answer:
    return batch.read_associations(call.state, call.type, call.path["to"], call.json)


def _associate(call: Call) -> Answer:
    return batch.associate(call.state, call.type, call.path["to"], call.json)


def _associate_one(call: Call) -> Answer:
    pair = {"from": {"id": call.path["id"]}, "to": {"id": call.path["to_id"]}}
    return batch.associate(call.state, call.type, call.path["to"], {"inputs": [pair]})


def _owners(call: Call) -> Answer:
    archived, after = call.query.get("archived") == "true", call.query.get("after", "")
    limit, email = int(call.query.get("limit", "100")), call.query.get("email", "")
    there = [
        owner
        for owner in call.state.owners.values()
        if owner.archived is archived and owner.id > after and email in {"", owner.email}
    ]
    answer: dict[str, Any] = {"results": [owner.shown() for owner in there[:limit]]}
    if len(there) > limit:
        answer["paging"] = {"next": {"after": there[limit - 1].id}}
    return 200, answer


def _owner(call: Call) -> Answer:
    owner = call.state.owners.get(call.path["id"])
    if owner is None:
        raise not_found()
    return 200, owner.shown()


def _properties(call: Call) -> Answer:
    return 200, {"results": [each.shown() for each in call.state.schema.all(call.type)]}


def _property(call: Call) -> Answer:
    found = call.state.schema.find(call.type, call.path["name"])
    if found is None:
        raise not_found(f"Property {call.path['name']} does not exist")
    return 200, found.shown()


def _add_property(call: Call) -> Answer:
    asked = call.json
    try:
        new = Property(
            name=asked["name"],
            type=asked["type"],
            field_type=asked["fieldType"],
            label=asked["label"],
            group=asked["groupName"],
            options=tuple(option["value"] for option in asked.get("options", [])),
            unique=bool(asked.get("hasUniqueValue")),
            custom=True,
        )
    except (KeyError, TypeError):
        raise unreadable("name, type, fieldType, label and groupName are required") from None
    if new.type not in TYPES_OF_PROPERTY:
        raise Problem(400, f"{new.type} is no type of a property")
    call.state.schema.add(call.type, new)
    return 201, new.shown()


def _account(call: Call) -> Answer:
    return 200, {
        "portalId": call.state.portal,
        "accountType": "STANDARD",
        "timeZone": "UTC",
        "companyCurrency": "EUR",
        "additionalCurrencies": [],
        "utcOffset": "+00:00",
        "utcOffsetMilliseconds": 0,
        "uiDomain": "app.hubspot.com",
        "dataHostingLocation": "eu1",
    }


ADDRESSES: Final[dict[tuple[str, str], tuple[str, Callable[[Call], Answer]]]] = {
    ("POST", OBJECTS + "/{type}/batch/read"): ("batch_read", _read),
    ("POST", OBJECTS + "/{type}/batch/create"): (
        "batch_create",
        lambda call: batch.create(call.state, call.type, call.json),
    ),
    ("POST", OBJECTS + "/{type}/batch/update"): (
        "batch_update",
        lambda call: batch.update(call.state, call.type, call.json),
    ),
    ("POST", OBJECTS + "/{type}/batch/upsert"): (
        "batch_upsert",
        lambda call: batch.upsert(call.state, call.type, call.json),
    ),
    ("POST", OBJECTS + "/{type}/batch/archive"): (
        "batch_archive",
        lambda call: batch.archive(call.state, call.type, call.json),
    ),
    ("POST", OBJECTS + "/{type}/search"): ("search", _search),
    ("POST", OBJECTS + "/{type}/merge"): ("merge", _merge),
    ("GET", OBJECTS + "/{type}"): ("list", _list),
    ("POST", OBJECTS + "/{type}"): ("create", _create),
    ("GET", OBJECTS + "/{type}/{id}"): ("get", _get),
    ("PATCH", OBJECTS + "/{type}/{id}"): ("update", _change),
    ("DELETE", OBJECTS + "/{type}/{id}"): ("archive", _archive),
    ("PUT", OBJECTS + "/{type}/{id}/associations/default/{to}/{to_id}"): (
        "associate",
        _associate_one,
    ),
    ("POST", ASSOCIATIONS + "/{type}/{to}/batch/read"): ("associations_read", _read_associations),
    ("POST", ASSOCIATIONS + "/{type}/{to}/batch/associate/default"): ("associate", _associate),
    ("GET", OWNERS): ("owners", _owners),
    ("GET", OWNERS + "/{id}"): ("owners", _owner),
    ("GET", PROPERTIES + "/{type}"): ("properties", _properties),
    ("POST", PROPERTIES + "/{type}"): ("properties", _add_property),
    ("GET", PROPERTIES + "/{type}/{name}"): ("properties", _property),
    ("GET", ACCOUNT + "/details"): ("account", _account),
}
