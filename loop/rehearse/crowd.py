"""The people outside: they come into the CRMs, read their mail, answer, and tell their friends.

They note what they were thanked for: that is what must not be lost. Where a page does not
answer they try again, as people do.
"""

import random
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final

import urllib3

from connectors.errors import ConnectorError
from connectors.sandbox.sendgrid import Delivered
from connectors.transport import Wire
from loop.demo import names
from loop.demo.acts import Acts, Stuck, asks, invites
from loop.demo.browser import Browser
from loop.demo.habits import Deed, Habits, Words
from loop.demo.people import HUBSPOT, SALESFORCE, Cast, Company, Person
from loop.demo.worlds import Services

AT_ONCE: Final = 6
COMPANIES: Final = 12
BOTH: Final = 10
"""Every so manieth person has a record in both CRMs."""
GONE: Final = 404
UNAVAILABLE: Final = 503
AGAIN_S: Final = 0.02
PATIENCE_S: Final = 60.0
THOUGHT_S: Final = 0.2
"""Until somebody changes their mind."""


class Patient(Wire):
    """A wire whose user tries again where a page does not answer, or asks to come again."""

    def request(self, method: str, url: str, **more: Any) -> urllib3.BaseHTTPResponse:  # noqa: ANN401 - as it is
        """Return the answer, as soon as there is one."""
        until = time.monotonic() + PATIENCE_S
        while True:
            try:
                answer = super().request(method, url, **more)
            except ConnectorError:
                if time.monotonic() > until:
                    raise
            else:
                if answer.status != UNAVAILABLE or time.monotonic() > until:
                    return answer
            time.sleep(AGAIN_S)


class Crowd:
    """Everybody outside. Call its methods from one thread."""

    def __init__(self, services: Services, seed: int) -> None:
        self.addresses: list[str] = []
        """Everybody who came."""
        self.thanked: dict[str, Words] = {}
        """What each was thanked for last, by address."""
        self.joined: set[str] = set()
        """The addresses of friends who were told that they are in."""
        self._services = services
        self._habits = Habits(seed)
        self._chance = random.Random(f"crowd:{seed}")  # noqa: S311 - a play, no secret
        self._acts = Acts(services.mail, Browser(Patient("a browser")))
        self._threads = ThreadPoolExecutor(AT_ONCE, "crowd")
        self._acting: list[Future[None]] = []
        self._read = 0

    def come(self, count: int) -> None:
        """Let that many more people come into the CRMs."""
        first = len(self.addresses)
        people = [self._person(number) for number in range(first, first + count)]
        refused = self._services.records.add(Cast(list(_companies()), people))
        if refused:
            message = f"a CRM does not take {refused[0][0].email}: {refused[0][1]}"
            raise ValueError(message)
        self.addresses += [one.email for one in people]

    def look(self) -> int:
        """Act on the mail that has come since; return how many are still at it."""
        inbox = self._services.mail.state.inbox
        fresh, self._read = inbox[self._read :], len(inbox)
        self._acting += [self._threads.submit(self._act, mail) for mail in fresh]
        for done in [one for one in self._acting if one.done()]:
            done.result()
            self._acting.remove(done)
        return len(self._acting)

    def leave(self) -> None:
        """Go home; nobody begins anything new."""
        self._threads.shutdown(cancel_futures=True)
        self._acts.close()

    def _person(self, number: int) -> Person:
        company = number % COMPANIES
        crms = (_crm(company),) if number % BOTH else (SALESFORCE, HUBSPOT)
        return Person(
            first=self._chance.choice(names.GIVEN),
            last=self._chance.choice(names.FAMILY),
            email=f"person-{number}@company-{company}.example",
            company=company,
            crms=crms,
            owner=0,
        )

    def _act(self, mail: Delivered) -> None:
        """Do what the reader of a mail does with it, then throw it away."""
        if asks(mail):
            self._answer(mail)
        elif invites(mail):
            self._pass_on(mail)
        mail.html = mail.text = ""

    def _answer(self, mail: Delivered) -> None:
        habit = self._habits.customer(mail.to)
        self._acts.react(mail, habit)
        if habit.deed is not Deed.ANSWER:
            return
        self.thanked[mail.to] = habit.said
        if habit.later is not None:
            time.sleep(THOUGHT_S)
            self._acts.answer(mail, habit.later)
            self.thanked[mail.to] = habit.later

    def _pass_on(self, mail: Delivered) -> None:
        """Let friends follow the link; it is over where somebody is a promoter no more."""
        friends = self._habits.friends(mail.to)
        try:
            self._acts.follow(mail, friends)
        except Stuck as stuck:
            if stuck.page.status != GONE or self._habits.customer(mail.to).later is None:
                raise
        else:
            self.joined |= {friend.email for friend in friends if friend.joins}


def _companies() -> Iterator[Company]:
    for number in range(COMPANIES):
        name = f"Company {number}"
        yield Company(name=name, domain=f"company-{number}.example", crm=_crm(number))


def _crm(company: int) -> str:
    return HUBSPOT if company % 2 else SALESFORCE
