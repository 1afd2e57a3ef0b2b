"""A Salesforce org that is played, and the connector that speaks to it."""

from collections.abc import Iterator

import pytest

from connectors.salesforce import Salesforce
from tests.connectors.salesforce.world import SalesforceWorld, playing, speaking


@pytest.fixture
def world() -> Iterator[SalesforceWorld]:
    with playing() as played:
        yield played


@pytest.fixture
def crm(world: SalesforceWorld) -> Iterator[Salesforce]:
    with speaking(world) as connector:
        yield connector
