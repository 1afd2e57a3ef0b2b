"""A HubSpot account that is played, and a plain client."""

from collections.abc import Iterator

import pytest

from connectors.sandbox.hubspot import HubSpotSandbox
from connectors.sandbox.server import running
from tests.sandbox.hubspot.client import Client, Clock


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> HubSpotSandbox:
    sandbox = HubSpotSandbox(now=clock)
    sandbox.state.rate = None
    return sandbox


@pytest.fixture
def url(sandbox: HubSpotSandbox) -> Iterator[str]:
    with running(sandbox.application) as url:
        yield url


@pytest.fixture
def client(url: str) -> Client:
    return Client(url)


@pytest.fixture
def ann(sandbox: HubSpotSandbox) -> str:
    own = {"email": "ann@example.com", "firstname": "Ann", "lastname": "Able"}
    return sandbox.state.add("contacts", own)
