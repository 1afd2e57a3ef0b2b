"""What the services hold at the end: the only true count of what reached them."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from connectors.hubspot.texts import mark_in
from connectors.sendgrid.body import KEY
from loop.demo.people import HUBSPOT, SALESFORCE
from loop.demo.worlds import Services

OURS: Final = "[npsloop:npsloop-"
"""With this begins the mark of a case's task or of an answer, not that of a friend's consent."""
BODY: Final = {"tasks": "hs_task_body", "notes": "hs_note_body"}


@dataclass(frozen=True)
class Outside:
    """What the services hold. A record is named as we name it: `crm:its id`."""

    services: Services

    @cached_property
    def mails(self) -> Counter[str]:
        """Count the mails in the inbox by our key."""
        return Counter(mail.custom_args[KEY] for mail in self.services.mail.state.inbox)

    @cached_property
    def scores(self) -> dict[str, int]:
        """Return the score on each contact record that has one."""
        return dict(self._scores())

    def _scores(self) -> Iterator[tuple[str, int]]:
        for row in self.services.salesforce.state.all("Contact"):
            if row["NPS_Score__c"] is not None:
                yield f"{SALESFORCE}:{row['Id']}", int(row["NPS_Score__c"])
        for record in self.services.hubspot.state.all("contacts"):
            if record.properties.get("nps_score"):
                yield f"{HUBSPOT}:{record.id}", int(record.properties["nps_score"])

    @cached_property
    def tasks(self) -> Counter[str]:
        """Count the tasks by the contact they are about: nobody here has more than one case."""
        rows = self.services.salesforce.state.all("Task")
        found = Counter(f"{SALESFORCE}:{row['WhoId']}" for row in rows)
        return found + Counter(self._beside("tasks"))

    @cached_property
    def histories(self) -> Counter[str]:
        """Count the answers kept beside each contact: nobody here answers two questions."""
        rows = self.services.salesforce.state.all("NPS_Answer__c")
        found = Counter(f"{SALESFORCE}:{row['NPS_Contact__c']}" for row in rows)
        return found + Counter(self._beside("notes"))

    @cached_property
    def leads(self) -> Counter[str]:
        """Count who came through a referral, by address."""
        rows = self.services.salesforce.state.all("Lead")
        found = Counter(str(row["Email"]).lower() for row in rows)
        contacts = [record.properties for record in self.services.hubspot.state.all("contacts")]
        return found + Counter(one["email"] for one in contacts if one.get("nps_key"))

    def _beside(self, type_: str) -> Iterator[str]:
        """Give the contact of each task or answer that stands in HubSpot."""
        state = self.services.hubspot.state
        for record in state.all(type_):
            if mark_in(record.properties.get(BODY[type_], "")).startswith(OURS):
                for contact in state.associated(type_, record.id, "contacts"):
                    yield f"{HUBSPOT}:{contact.id}"
