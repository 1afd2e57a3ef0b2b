"""The promises of each port as test suites that every connector inherits.

    class TestMyCrm(CrmSuite):
        @pytest.fixture
        def world(self) -> Iterator[World]: ...      # the service behind it, and verbs to set it up
        @pytest.fixture
        def crm(self, world) -> Crm: ...             # your connector, speaking to that service

Nothing else is to be written: see `worlds` for what a world and a postbox have to be able to do.
"""

import pytest

pytest.register_assert_rewrite(
    "connectors.testing.looking",
    "connectors.testing.mailing",
    "connectors.testing.pulling",
    "connectors.testing.writing",
)

from connectors.testing.looking import LookUpSuite  # noqa: E402 - after the rewrite is asked for
from connectors.testing.mailing import MailerSuite  # noqa: E402
from connectors.testing.pulling import PullSuite  # noqa: E402
from connectors.testing.worlds import (  # noqa: E402
    OpenPostbox,
    Postbox,
    Received,
    TaskThere,
    World,
)
from connectors.testing.writing import WriteSuite  # noqa: E402

__all__ = [
    "CrmSuite",
    "LookUpSuite",
    "MailerSuite",
    "OpenPostbox",
    "Postbox",
    "Received",
    "TaskThere",
    "World",
]


class CrmSuite(PullSuite, WriteSuite):
    """All promises of a CRM."""
