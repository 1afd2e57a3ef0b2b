"""Search is as limited as HubSpot's, and lags behind as it does."""

from typing import Any

import pytest

from connectors.sandbox.hubspot import HubSpotSandbox
from tests.sandbox.hubspot.client import CONTACTS, Client, Clock


def search(*filters: dict[str, Any], **more: object) -> dict[str, Any]:
    groups = [{"filters": list(filters)}] if filters else []
    return {
        "filterGroups": groups,
        "sorts": [],
        "properties": [],
        "limit": 100,
        "after": "0",
    } | more


def where(name: str, operator: str, value: object = None) -> dict[str, Any]:
    key = "values" if isinstance(value, list) else "value"
    return {"propertyName": name, "operator": operator} | ({} if value is None else {key: value})


@pytest.mark.parametrize(
    "test, found",
    [
        (where("email", "EQ", "ANN@example.com"), "Able"),
        (where("email", "NEQ", "ann@example.com"), "Berg Cole"),
        (where("nps_score", "GT", "9"), "Cole"),
        (where("nps_score", "GTE", "9"), "Able Cole"),
        (where("nps_score", "LT", "10"), "Able"),
        (where("nps_score", "LTE", "10"), "Able Cole"),
        (where("nps_score", "BETWEEN", "8") | {"highValue": "9"}, "Able"),
        (where("nps_score", "IN", ["9", "10"]), "Able Cole"),
        (where("nps_score", "NOT_IN", ["9"]), "Berg Cole"),
        (where("nps_score", "HAS_PROPERTY"), "Able Cole"),
        (where("nps_score", "NOT_HAS_PROPERTY"), "Berg"),
        (where("nps_comment", "CONTAINS_TOKEN", "good"), "Able"),
        (where("nps_comment", "NOT_CONTAINS_TOKEN", "good"), "Berg Cole"),
    ],
)
def test_search_knows_its_operators(
    client: Client, sandbox: HubSpotSandbox, ann: str, test: dict[str, Any], found: str
) -> None:
    sandbox.state.update("contacts", ann, {"nps_score": "9", "nps_comment": "Simply good."})
    sandbox.state.add("contacts", {"lastname": "Berg"})
    sandbox.state.add("contacts", {"lastname": "Cole", "nps_score": "10", "nps_comment": "goods"})

    told = client("POST", f"{CONTACTS}/search", search(test, properties=["lastname"]))

    assert " ".join(row["properties"]["lastname"] for row in told["results"]) == found


@pytest.mark.parametrize(
    "asked",
    [
        search(limit=201),
        search(after="9950"),
        search(where("nps_scoer", "EQ", "9")),
        search(where("nps_score", "EQ")),
        search(where("nps_score", "LIKE", "9")),
        search(where("nps_score", "EQ", "nine")),
        search(*[where("email", "HAS_PROPERTY")] * 7),
        search(filterGroups=[{"filters": [where("email", "HAS_PROPERTY")]}] * 6),
        search(sorts=["email", "lastname"]),
        search(where("email", "EQ", "x" * 3000)),
    ],
    ids=range(10),
)
def test_search_has_its_limits(client: Client, asked: dict[str, Any]) -> None:
    assert client.status("POST", f"{CONTACTS}/search", asked)[0] == 400


def test_search_lags_behind(client: Client, sandbox: HubSpotSandbox, clock: Clock) -> None:
    sandbox.state.index_delay_s = 10
    ann = sandbox.state.add("contacts", {"lastname": "Able"})
    able, baker = (search(where("lastname", "EQ", name)) for name in ("Able", "Baker"))

    at_once = client("POST", f"{CONTACTS}/search", able)["total"]
    clock.moves(11)
    after_a_while = client("POST", f"{CONTACTS}/search", able)["total"]
    sandbox.state.update("contacts", ann, {"lastname": "Baker"})
    still = [client("POST", f"{CONTACTS}/search", each)["total"] for each in (able, baker)]
    clock.moves(11)
    then = [client("POST", f"{CONTACTS}/search", each)["total"] for each in (able, baker)]

    assert (at_once, after_a_while, still, then) == (0, 1, [1, 0], [0, 1])


def test_searches_have_a_rate_of_their_own_and_no_headers(
    client: Client, sandbox: HubSpotSandbox
) -> None:
    sandbox.state.limits.search.calls = 1
    client("POST", f"{CONTACTS}/search", search())
    headers = client.api.last_response.headers

    status, told = client.status("POST", f"{CONTACTS}/search", search())

    assert "X-HubSpot-RateLimit-Max" not in headers
    assert (status, told["policyName"]) == (429, "SECONDLY")
    assert client("GET", CONTACTS)["results"] == []
