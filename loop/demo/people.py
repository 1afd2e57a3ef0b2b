"""Invents the customers of the demo, with the dirt that the records of real CRMs have.

The same seed invents the same people. Every address is under `.example`, which no mail reaches.
"""

import random
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from loop.demo import names

SALESFORCE: Final = "salesforce"
HUBSPOT: Final = "hubspot"
COMPANIES: Final = 64
PEOPLE: Final = 352
SPELLED: Final = {ord("Ø"): "O", ord("ø"): "o", ord("Ł"): "L", ord("ł"): "l", ord("ß"): "ss"}
Spoil = Callable[["Person"], dict[str, Any]]
IN_SALESFORCE: Final = 36
"""How many of the companies are kept in Salesforce, and the rest in HubSpot."""
INACTIVE: Final = (1, 4)
"""Which of a CRM's owners have left."""


@dataclass(frozen=True, kw_only=True)
class Company:
    """An account in one CRM."""

    name: str
    domain: str = ""
    industry: str = ""
    crm: str = SALESFORCE
    owner: int | None = 0
    """Its owner's number among `names.OWNERS`; None where nobody has it."""


@dataclass(frozen=True, kw_only=True)
class Person:
    """A customer, as their records in one CRM or in both have them."""

    first: str
    last: str
    email: str
    title: str = ""
    company: int | None = None
    crms: tuple[str, ...] = (SALESFORCE,)
    owner: int | None = None
    locale: str = ""
    product: str = ""
    opted_out: bool = False
    bounced: bool = False
    """The CRM says that the address bounces."""
    dead: bool = False
    """The address bounces, and nobody knows it yet."""
    closed_case: str = ""
    """Subject of a case or ticket of theirs that was closed the other day."""
    place: str = ""
    """Where they stand in a file, where they come from one."""


@dataclass(frozen=True)
class Cast:
    """Everybody who plays a part."""

    companies: Sequence[Company]
    people: Sequence[Person]
    dead: frozenset[str] = field(init=False)
    """The addresses that bounce, in small letters."""

    def __post_init__(self) -> None:
        """Find the dead addresses."""
        found = frozenset(one.email.strip().lower() for one in self.people if one.dead)
        object.__setattr__(self, "dead", found)


def cast(seed: int) -> Cast:
    """Return the customers that this seed invents."""
    chance = random.Random(f"people:{seed}")  # noqa: S311 - a play, no secret
    companies = _companies(chance)
    people = list(_people(chance, companies, PEOPLE))
    _dirty(chance, people)
    return Cast(companies, people)


def more(seed: int, companies: Sequence[Company], count: int) -> list[Person]:
    """Return that many more clean people, for the accounts given."""
    chance = random.Random(f"more:{seed}:{count}")  # noqa: S311 - a play, no secret
    clean = list(_people(chance, companies, count))
    return [replace(one, crms=(SALESFORCE,), locale="", product="") for one in clean]


def owner_email(crm: str, number: int) -> str:
    """Return the address of an owner."""
    first, last = names.OWNERS[number]
    return f"{local(first, last)}@{crm}-team.example"


def local(first: str, last: str) -> str:
    """Return what stands before the @ for a name: in ASCII, an apostrophe stays."""
    return f"{_ascii(first)}.{_ascii(last)}"


def _ascii(name: str) -> str:
    spelled = name.translate(SPELLED)
    plain = unicodedata.normalize("NFKD", spelled).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z'-]", "", plain)


def _companies(chance: random.Random) -> list[Company]:
    pairs = [(a, b) for a in names.FIRST_WORDS for b in names.SECOND_WORDS]
    owners = (*range(len(names.OWNERS)), None)
    return [
        Company(
            name=f"{first} {second} {chance.choice(names.FORMS)}",
            domain=f"{first}-{second}.example".lower(),
            industry=chance.choice(names.INDUSTRIES),
            crm=SALESFORCE if number < IN_SALESFORCE else HUBSPOT,
            owner=chance.choice(owners),
        )
        for number, (first, second) in enumerate(chance.sample(pairs, COMPANIES))
    ]


def _people(chance: random.Random, companies: Sequence[Company], count: int) -> Iterator[Person]:
    """Invent people; no two have the same address."""
    taken: set[str] = set()
    others = [*names.WRITTEN_OTHERWISE, *names.HOSTILE]
    weights = [chance.choice((1, 2, 2, 3)) for _ in companies]
    for number in range(count):
        company = chance.choices(range(len(companies)), weights)[0]
        first, last = chance.choice(names.GIVEN), chance.choice(names.FAMILY)
        address = local(first, last)
        if number < len(others):
            first, last, address = others[number]
        free = address
        while f"{free}@{companies[company].domain}" in taken:
            free = f"{address}{len(taken)}"
        taken.add(f"{free}@{companies[company].domain}")
        yield Person(
            first=first,
            last=last,
            email=f"{free}@{companies[company].domain}",
            title=chance.choice(names.TITLES),
            company=company,
            crms=(companies[company].crm,),
            owner=chance.choice((*range(len(names.OWNERS)), None)),
            locale=chance.choice(names.LOCALES),
            product=chance.choice(names.PRODUCTS),
        )


def _dirty(chance: random.Random, people: list[Person]) -> None:
    """Spoil some of the records, each in one way, as time does."""
    skip = len(names.WRITTEN_OTHERWISE) + len(names.HOSTILE)
    order = chance.sample(range(skip, len(people)), len(people) - skip)
    ways: tuple[tuple[int, Spoil], ...] = (
        (8, lambda _: {"email": ""}),
        (10, lambda _: {"opted_out": True}),
        (4, lambda _: {"bounced": True}),
        (8, lambda _: {"dead": True}),
        (20, lambda one: {"crms": (SALESFORCE, HUBSPOT), "email": _shouted(one.email)}),
        (24, lambda _: {"closed_case": chance.choice(names.SUBJECTS)}),
        (5, lambda _: {"company": None}),
        (3, lambda one: {"first": "", "email": f" {one.email} "}),
        (2, lambda one: {"last": f"{one.last}\nJr"}),
    )
    places = iter(order)
    for address in names.INVALID:
        place = next(places)
        people[place] = replace(people[place], email=address, crms=(SALESFORCE,))
    for count, spoil in ways:
        for _ in range(count):
            place = next(places)
            people[place] = replace(people[place], **spoil(people[place]))


def _shouted(address: str) -> str:
    """Return the address as the other CRM has it too, in capitals here."""
    before, _, domain = address.partition("@")
    return f"{before.title()}@{domain.upper()}"
