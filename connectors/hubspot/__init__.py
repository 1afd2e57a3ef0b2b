"""HubSpot: contacts, companies, tickets, tasks and notes, by its dated API (2026-09)."""

from collections.abc import Iterator, Sequence
from typing import Final

from connectors.errors import ConnectorError, Unavailable
from connectors.hubspot import checks, tasks
from connectors.hubspot.api import ACCOUNT, BATCH, Api
from connectors.hubspot.config import Config
from connectors.hubspot.pull import Pull
from connectors.hubspot.told import SERVICE
from connectors.hubspot.write import Write
from connectors.ports import (
    Account,
    AccountScore,
    Check,
    Contact,
    History,
    Lead,
    Outcome,
    Owner,
    Page,
    Score,
    Task,
    TaskState,
    Trigger,
)

__all__ = ["Config", "HubSpot"]

NUMBERS: Final = {"contact": "0-1", "account": "0-2", "task": "0-27"}
PEOPLES_ADDRESS: Final = "https://app.hubspot.com"
_Config = Config  # inside the class, Config is the class's own attribute


class HubSpot:
    """A HubSpot account. See `connectors.ports.Crm` for what its methods promise."""

    Config = Config
    batch = BATCH
    at_once = 4

    def __init__(self, config: _Config) -> None:
        self.name = "hubspot"
        self.config = config
        self.api = Api(config)
        self.budgets = (self.api.budget, self.api.searches)
        self._pull = Pull(self.api, config)
        self._write = Write(self.api, config)
        self._portal = config.portal_id

    def owners(self) -> Iterator[Page[Owner]]:
        """Return all users; archived ones are inactive."""
        return self._pull.owners()

    def accounts(self, since: str | None) -> Iterator[Page[Account]]:
        """Return the companies that changed since the watermark."""
        return self._pull.accounts(since)

    def contacts(self, since: str | None) -> Iterator[Page[Contact]]:
        """Return the contacts that changed since the watermark."""
        return self._pull.contacts(since)

    def triggers(self, since: str | None) -> Iterator[Page[Trigger]]:
        """Return the tickets closed since the watermark."""
        return self._pull.triggers(since)

    def write_scores(self, scores: Sequence[Score]) -> Sequence[Outcome]:
        """Write the scores onto the contacts."""
        return self._write.scores(scores)

    def write_accounts(self, scores: Sequence[AccountScore]) -> Sequence[Outcome]:
        """Write the roll-ups onto the companies."""
        return self._write.accounts(scores)

    def keep(self, answers: Sequence[History]) -> Sequence[Outcome]:
        """Keep a note of each answer on its contact and its company."""
        return self._write.history(answers)

    def put_tasks(self, tasks_: Sequence[Task]) -> Sequence[Outcome]:
        """Create the tasks, or bring those with their keys up to date."""
        return tasks.put(self.api, tasks_)

    def task_states(self, ids: Sequence[str]) -> Sequence[TaskState]:
        """Return where these tasks stand."""
        return tasks.states(self.api, ids)

    def add_leads(self, leads: Sequence[Lead]) -> Sequence[Outcome]:
        """Create a contact for each friend, or find the one with that address."""
        return self._write.leads(leads)

    def link(self, kind: str, remote_id: str) -> str:
        """Return the address of a record; nothing where the account's number is unknown."""
        portal = self._portal or self._looked_up()
        if not portal:
            return ""
        address = self.config.origin or PEOPLES_ADDRESS
        return f"{address}/contacts/{portal}/record/{NUMBERS[kind]}/{remote_id}"

    def checks(self) -> Iterator[Check]:
        """Look at the token, the properties and the owners."""
        return checks.checks(self.api, self.config)

    def shut(self) -> Unavailable | None:
        """Return why no call can be made for a good while; None where one can."""
        return self.api.budget.shut(SERVICE)

    def _looked_up(self) -> str:
        try:
            account = self.api.get(ACCOUNT).read(checks.ACCOUNTS)
        except ConnectorError:
            return ""
        self._portal = str(account.portal_id)
        return self._portal
