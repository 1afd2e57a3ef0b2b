"""Puts people into the two CRMs that are played, as they had always been there."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from connectors.sandbox.hubspot import HubSpotSandbox
from connectors.sandbox.hubspot.problems import Problem
from connectors.sandbox.hubspot.schema import stamp
from connectors.sandbox.salesforce import SalesforceSandbox
from loop.demo import names
from loop.demo.people import HUBSPOT, INACTIVE, SALESFORCE, Cast, Company, Person, owner_email

CASE_AGE: Final = timedelta(days=2)
CLOSED_STAGE: Final = "4"


class Salesforce:
    """Fills the org."""

    def __init__(self, sandbox: SalesforceSandbox) -> None:
        self._state = sandbox.state
        self._owners = [self._owner(number) for number in range(len(names.OWNERS))]
        self._accounts: dict[int, str] = {}

    def companies(self, companies: Sequence[Company]) -> None:
        """Add those that are kept here and are not there yet."""
        for number, company in enumerate(companies):
            if company.crm != SALESFORCE or number in self._accounts:
                continue
            fields = {"Name": company.name, "Industry": company.industry or None}
            if company.owner is not None:
                fields["OwnerId"] = self._owners[company.owner]
            self._accounts[number] = self._state.add("Account", fields)

    def person(self, one: Person) -> None:
        """Add a contact, and their closed case. Raise ValueError where the org takes no such."""
        fields = {
            "FirstName": one.first or None,
            "LastName": one.last,
            "Email": one.email or None,
            "Title": one.title or None,
            "AccountId": None if one.company is None else self._accounts.get(one.company),
            "HasOptedOutOfEmail": one.opted_out,
            "EmailBouncedReason": "550 no such user" if one.bounced else None,
            "Product__c": one.product or None,
            "Language__c": one.locale or None,
        }
        if one.owner is not None:
            fields["OwnerId"] = self._owners[one.owner]
        contact = self._state.add("Contact", fields)
        if one.closed_case:
            case = {"Subject": one.closed_case, "ContactId": contact, "Status": "Closed"}
            closed = datetime.now(UTC) - CASE_AGE
            self._state.add("Case", case | {"ClosedDate": closed.replace(microsecond=0)})

    def _owner(self, number: int) -> str:
        first, last = names.OWNERS[number]
        email = owner_email(SALESFORCE, number)
        fields = {"FirstName": first, "LastName": last, "Email": email, "Username": email}
        return self._state.add("User", fields | {"IsActive": number not in INACTIVE})


class HubSpot:
    """Fills the account."""

    def __init__(self, sandbox: HubSpotSandbox) -> None:
        self._state = sandbox.state
        self._owners = [
            self._state.add_owner(
                first, last, owner_email(HUBSPOT, number), active=number not in INACTIVE
            )
            for number, (first, last) in enumerate(names.OWNERS)
        ]
        self._companies: dict[int, str] = {}

    def companies(self, companies: Sequence[Company]) -> None:
        """Add those that are kept here and are not there yet."""
        for number, company in enumerate(companies):
            if company.crm != HUBSPOT or number in self._companies:
                continue
            fields = {"name": company.name, "domain": company.domain, "industry": company.industry}
            self._companies[number] = self._state.add(
                "companies", fields | self._owned(company.owner)
            )

    def person(self, one: Person) -> None:
        """Add a contact, and their closed ticket. Raise ValueError where the account refuses."""
        fields = {
            "email": one.email.strip().lower(),
            "firstname": one.first,
            "lastname": one.last,
            "jobtitle": one.title,
            "hs_language": one.locale,
            "product": one.product,
            "hs_email_optout": "true" if one.opted_out else "",
            "hs_email_hard_bounce_reason_enum": "UNKNOWN_USER" if one.bounced else "",
        }
        here = self._companies.get(-1 if one.company is None else one.company)
        beside = [("companies", here)] if here else []
        kept = {name: value for name, value in fields.items() if value}
        try:
            contact = self._state.add("contacts", kept | self._owned(one.owner), beside)
        except Problem as problem:
            raise ValueError(problem.message) from problem
        if one.closed_case:
            ticket = {"subject": one.closed_case, "hs_pipeline_stage": CLOSED_STAGE}
            closed = {"closed_date": stamp(datetime.now(UTC) - CASE_AGE)}
            self._state.add("tickets", ticket | closed, [("contacts", contact)])

    def _owned(self, number: int | None) -> dict[str, str]:
        return {} if number is None else {"hubspot_owner_id": self._owners[number]}


class Records:
    """Both CRMs, filled as people come."""

    def __init__(self, salesforce: SalesforceSandbox, hubspot: HubSpotSandbox) -> None:
        self._by_name: dict[str, Salesforce | HubSpot] = {
            SALESFORCE: Salesforce(salesforce),
            HUBSPOT: HubSpot(hubspot),
        }

    def add(self, cast: Cast) -> list[tuple[Person, str]]:
        """Add companies and people; return those that a CRM would not have, and why not."""
        for crm in self._by_name.values():
            crm.companies(cast.companies)
        return list(self._people(cast.people))

    def _people(self, people: Iterable[Person]) -> Iterable[tuple[Person, str]]:
        for one in people:
            for crm in one.crms:
                try:
                    self._by_name[crm].person(one)
                except ValueError as error:
                    yield one, str(error)
