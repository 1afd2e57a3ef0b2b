"""A HubSpot account that is played, and the connector that speaks to it."""

from collections.abc import Iterator

import pytest

from connectors.hubspot import HubSpot
from connectors.sandbox.server import running
from tests.connectors.hubspot.world import HubSpotWorld, connected


@pytest.fixture
def world() -> HubSpotWorld:
    return HubSpotWorld()


@pytest.fixture
def url(world: HubSpotWorld) -> Iterator[str]:
    with running(world.sandbox.application) as url:
        yield url


@pytest.fixture
def crm(url: str) -> HubSpot:
    return connected(url)
