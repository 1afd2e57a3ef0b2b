"""What people do with a mail, and behind a promoter's link; and what the mail provider tells."""

from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import count
from typing import Final, TypeVar

from sqlmodel import Session, SQLModel, select

from connectors.ports import Mail, MailEvent, MailEventKind
from loop import answer, leave, refer
from loop.answer import Given, Taken
from loop.app import App, Purpose
from loop.models import Customer, Referral, Survey
from loop.schedule import HANDLERS
from loop.simulate.outside import Mailer
from loop.simulate.witness import Witness
from loop.simulate.world import World

LATE: Final = 8
"""People read one of so many newest mails."""
STOPS: Final = 0.05
EVENTS_MAX: Final = 4
"""So many are told in one post."""
TOLD: Final[Mapping[MailEventKind, int]] = {
    MailEventKind.DELIVERED: 30,
    MailEventKind.OPENED: 10,
    MailEventKind.DEFERRED: 2,
    MailEventKind.BOUNCED: 2,
    MailEventKind.DROPPED: 1,
    MailEventKind.COMPLAINED: 1,
    MailEventKind.UNSUBSCRIBED: 1,
}
"""What a provider tells of a mail, and how often."""
M = TypeVar("M", bound=SQLModel)
T = TypeVar("T")


class People:
    """Customers and friends."""

    def __init__(self, world: World, witness: Witness, mailer: Mailer) -> None:
        self.world, self.witness, self.mailer = world, witness, mailer
        self.chance, self.number = world.chance, count()
        self.comments: dict[str, set[str]] = defaultdict(set)
        """By survey: everything that was ever written."""
        self.untold: list[MailEvent] = []
        """What the provider has not told us yet."""

    def answer(self) -> None:
        """Give a score with words; now and then a STOP, with a score or without."""
        if (mail := self._mail()) is None:
            return
        stops = self.chance.random() < STOPS
        score = self.chance.choice((None, 3)) if stops else self.chance.randrange(11)
        comment = "STOP" if stops else f"words{next(self.number):04}"
        survey = self._survey(mail)
        self.comments[survey.id].add(comment)

        def keep(app: App, session: Session) -> object:
            token = app.keys.token(Purpose.ANSWER, survey.id)
            given = Given(token=token, score=score, comment=comment)
            return answer.keep(app, session, [given])[0]

        def kept(result: object) -> None:
            if isinstance(result, Taken):
                if score is not None:
                    self.witness.said[survey.id] = (score, comment)
                if result.stopped:
                    self.witness.leaves_by_wish(mail.to, self._address_now(survey))

        self.sends(f"answer {mail.key} {score} {comment}", keep, kept)

    def unsubscribe(self) -> None:
        """Press the link in a mail."""
        self._presses(leave.unsubscribe, self.witness.leaves_by_wish)

    def undo(self) -> None:
        """Take it back."""
        self._presses(leave.resubscribe, self.witness.comes_back)

    def _presses(
        self,
        press: Callable[[App, Session, Survey], None],
        noted: Callable[[str, str | None], None],
    ) -> None:
        if (mail := self._mail()) is None:
            return
        survey = self._survey(mail)

        def found(app: App, session: Session) -> None:
            token = app.keys.token(Purpose.LEAVE, survey.id)
            there = leave.find(session, token, lock=True)
            assert there is not None
            press(app, session, there)

        self.sends(
            f"{press.__name__} {mail.key}",
            found,
            lambda _: noted(mail.to, self._address_now(survey)),
        )

    def join(self) -> None:
        """Sign up behind a promoter's link."""
        with self.witness.database.read() as session:
            referrals = session.exec(select(Referral.id).order_by(Referral.id)).all()
        if not referrals:
            return
        id_, name = self.chance.choice(referrals), self.chance.choice(("fred", "frida"))
        friend = refer.Friend(first_name=name, last_name="F", company="", email=f"{name}@f.example")

        def join(app: App, session: Session) -> None:
            found = refer.find(app, session, app.keys.token(Purpose.REFER, id_))
            if found is not None:
                refer.visit(app, session, found)
                refer.join(app, session, found, friend)

        self.sends(f"{name} joins {id_}", join, lambda _: None)

    # The mail provider

    def hears(self, mail: Mail) -> None:
        """Let the provider make up its mind about a mail that it accepted."""
        kinds = [
            MailEventKind.PROCESSED,
            *self.chance.choices(list(TOLD), list(TOLD.values()), k=2),
        ]
        for kind in kinds:
            if not self.world.happens("lost_event"):
                self.untold.append(
                    MailEvent(
                        id=f"e{next(self.number)}",
                        mail_key=mail.key,
                        kind=kind,
                        at=self.world.clock(),
                        permanent=self.chance.random() < 0.5,  # noqa: PLR2004 - even chances
                        reason=f"{mail.to} says no",
                    )
                )

    def tell(self) -> None:
        """Tell of some events, in any order, some of them twice, and again until we have them."""
        self.chance.shuffle(self.untold)
        events, self.untold = self.untold[:EVENTS_MAX], self.untold[EVENTS_MAX:]
        if not events:
            return
        twice = [event for event in events if self.world.happens("doubled_event")]

        def kept() -> None:
            for event in events:
                self._minds(event)

        what = f"tells {[f'{event.mail_key} {event.kind}' for event in events + twice]}"
        process = self.world.process()
        took = self.world.does(
            process, what, lambda app: leave.take_events(app, events + twice, HANDLERS), kept
        )
        self.untold += twice if took else events

    def tell_all(self) -> None:
        """Tell of all that is left."""
        while self.untold:
            self.tell()

    def _minds(self, event: MailEvent) -> None:
        to = next(mail.to for mail in self.mailer.sent if mail.key == event.mail_key)
        match event.kind:
            case MailEventKind.BOUNCED if event.permanent:
                self.witness.leaves(to)
            case MailEventKind.COMPLAINED:
                self.witness.leaves(to, for_good=True)
            case MailEventKind.UNSUBSCRIBED:
                self.witness.leaves_by_wish(to, None)

    # How it gets to us

    def _mail(self) -> Mail | None:
        newest = self.mailer.sent[-LATE:]
        return self.chance.choice(newest) if newest else None

    def _survey(self, mail: Mail) -> Survey:
        with self.witness.database.read() as session:
            return session.get_one(Survey, mail.key.partition(":")[2])

    def _address_now(self, survey: Survey) -> str | None:
        with self.witness.database.read() as session:
            there = session.get_one(Survey, survey.id)
            return session.get_one(Customer, there.customer_id).email

    def sends(
        self, what: str, unit: Callable[[App, Session], T], kept: Callable[[T], None]
    ) -> None:
        """Send a form: it is a unit of work; `kept` hears what came of it, once it is kept."""
        results: list[T] = []
        self.world.does(
            self.world.process(),
            what,
            lambda app: app.store.work(lambda session: results.append(unit(app, session))),
            lambda: kept(results[-1]),
        )
