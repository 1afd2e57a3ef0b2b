"""Real input: contacts from one file fill the CRMs, answers from another are what they say."""

import re
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from loop.demo import columns, tables
from loop.demo.habits import Deed, Habit, Habits, Words
from loop.demo.people import HUBSPOT, SALESFORCE, Cast, Company, Person, cast, more
from loop.demo.plots import Invented, Plot
from loop.demo.tables import Row
from loop.demo.worlds import PLENTY

SALESFORCE_ID: Final = re.compile(r"003[0-9A-Za-z]{12}(?:[0-9A-Z]{3})?")
ACCOUNT_ID: Final = re.compile(r"001[0-9A-Za-z]{12}(?:[0-9A-Z]{3})?")
WHOLE: Final = re.compile(r"([+-]?\d+)\.0+")
ROUNDS_MAX: Final = 3
PEOPLE_PER_COMPANY: Final = 12
SHAPES: Final = {
    SALESFORCE: "all contacts go into Salesforce, whose ids they have",
    HUBSPOT: "all contacts go into HubSpot, whose properties they have",
    "": "accounts go into Salesforce and HubSpot by turns: the file does not say which CRM",
}


@dataclass(frozen=True)
class Files:
    """What was given on the command line."""

    contacts: Path | None = None
    answers: Path | None = None
    mapped: Mapping[str, str] = field(default_factory=dict)
    encoding: str = "utf-8"


class Told:
    """Customers who say what stands in a file, one answer each, in order."""

    def __init__(self, seed: int, people: Cast, answers: Sequence[Words]) -> None:
        habits = Habits(seed)
        self.friends, self.finishes = habits.friends, habits.finishes
        self._given = len(answers)
        self._unused = list(reversed(answers))
        self._invented = 0
        self._seed = seed
        self._cast = people
        self._rounds = 0
        self._said: dict[str, Words] = {}

    def prepare(self, addresses: Sequence[str]) -> None:
        """Hand out the answers in the order in which people stand in their file."""
        place = {_address(one): number for number, one in enumerate(self._cast.people)}
        known = [address for address in addresses if address.lower() in place]
        for address in sorted(known, key=lambda each: place[each.lower()]):
            if self._unused:
                self._said[address.lower()] = self._unused.pop()

    def customer(self, address: str) -> Habit:
        """Return the answer that fell to this address, if one did."""
        said = self._said.get(address.lower())
        return Habit(Deed.IGNORE) if said is None else Habit(Deed.ANSWER, said)

    def more(self) -> Cast | None:
        """Invent as many people as there are answers left."""
        if not self._unused or self._rounds == ROUNDS_MAX:
            return None
        self._rounds += 1
        count = len(self._unused)
        self._invented += count
        fresh = [
            replace(company, name=f"{company.name} ({self._rounds})", crm=SALESFORCE)
            for company in cast(self._seed).companies[: 1 + count // PEOPLE_PER_COMPANY]
        ]
        before = len(self._cast.companies)
        people = [
            replace(one, company=before + (one.company or 0), email=f"{self._rounds}.{one.email}")
            for one in more(self._seed, fresh, count)
        ]
        self._cast = Cast([*self._cast.companies, *fresh], [*self._cast.people, *people])
        return Cast(self._cast.companies, people)

    def counts(self) -> dict[str, int]:
        """Return how many answers there were and were used, and how many people were invented."""
        used = self._given - len(self._unused)
        return {"answers": self._given, "used": used, "people_invented": self._invented}


def plot(files: Files, seed: int) -> Plot:
    """Return the plot that the files make. Raise `BadFile`."""
    notes = ["nobody is held back by account or day here: every contact of the file is asked"]
    people = cast(seed)
    if files.contacts is not None:
        people, said = contacts(files)
        notes.append(said)
    if files.answers is None:
        return Plot(cast=people, script=Invented(seed), notes=notes, per_account_max=PLENTY)
    told = answers(files)
    script = Told(seed, people, told)
    notes.append(
        f"{files.answers}: {len(told)} answers, given in their order; where there are "
        "more of them than contacts who can be asked, further contacts are invented"
    )
    return Plot(cast=people, script=script, notes=notes, per_account_max=PLENTY)


def contacts(files: Files) -> tuple[Cast, str]:
    """Read the contacts; tell which CRM they go into. Raise `BadFile`."""
    assert files.contacts is not None
    table = tables.read(files.contacts, files.encoding)
    found = columns.find(table, columns.CONTACT, files.mapped, "email")
    shape = _shape(table.rows, found)
    people: list[Person] = []
    companies: dict[str, Company] = {}
    places: dict[str, int] = {}
    for row in table.rows:
        name = row.values.get(found.get("account", ""), "").strip()
        if name and name not in companies:
            places[name] = len(companies)
            companies[name] = Company(name=_account_name(name), crm=shape or _by_turns(companies))
        crm = companies[name].crm if name else shape or _by_turns(people)
        people.append(_person(row, found, crm, places.get(name)))
    said = f"{files.contacts}: {len(people)} contacts; {SHAPES[shape]}"
    return Cast(list(companies.values()), people), said


def answers(files: Files) -> list[Words]:
    """Read the answers, each as it stands. Raise `BadFile`."""
    assert files.answers is not None
    table = tables.read(files.answers, files.encoding)
    found = columns.find(table, columns.ANSWER, files.mapped, "score")
    return [
        Words(
            _score(row.values.get(found["score"], "")),
            row.values.get(found.get("comment", ""), ""),
        )
        for row in table.rows
    ]


def _score(text: str) -> str:
    """Return a score as a browser would send it: what a spreadsheet made 7.0 of a 7 is a 7."""
    whole = WHOLE.fullmatch(text.strip())
    return whole[1] if whole else text.strip()


def _shape(rows: Sequence[Row], found: Mapping[str, str]) -> str:
    """Return whose contacts they are: a CRM's by their ids, or nobody's."""
    ids = [row.values.get(found.get("id", ""), "") for row in rows]
    if ids and all(SALESFORCE_ID.fullmatch(each) for each in ids):
        return SALESFORCE
    if any(row.values.get("attributes.type") == "Contact" for row in rows):
        return SALESFORCE
    return HUBSPOT if any("hs_object_id" in row.values for row in rows) else ""


def _by_turns(before: Sized) -> str:
    return (SALESFORCE, HUBSPOT)[len(before) % 2]


def _account_name(name: str) -> str:
    return f"Account {name}" if ACCOUNT_ID.fullmatch(name) else name


def _person(row: Row, found: Mapping[str, str], crm: str, company: int | None) -> Person:
    values = {name: row.values.get(column, "") for name, column in found.items()}
    first, last = values.get("first_name", ""), values.get("last_name", "")
    if not first and not last:
        first, _, last = values.get("name", "").strip().rpartition(" ")
    return Person(
        first=first,
        last=last,
        email=values.get("email", ""),
        title=values.get("title", ""),
        company=company,
        crms=(crm,),
        locale=values.get("locale", ""),
        product=values.get("product", ""),
        opted_out=_yes(values.get("opted_out", "")),
        bounced=_yes(values.get("bounced", "")),
        place=row.place,
    )


def _yes(text: str) -> bool:
    return text.strip().lower() not in {"", "0", "false", "no", "n", "null"}


def _address(one: Person) -> str:
    return one.email.strip().lower()
