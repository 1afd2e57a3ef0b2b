"""What people do with what reaches them: over HTTP, on the real pages, with the real forms."""

from collections.abc import Iterable
from typing import Final

from connectors.sandbox.sendgrid import Delivered, SendGridSandbox
from loop.demo.browser import Browser, Page, links
from loop.demo.habits import Deed, Friend, Habit, Words

QUESTION: Final = "?score="
WAY_OUT: Final = "/l/"
INVITATION: Final = "/r/"
SCORES: Final = frozenset(str(number) for number in range(11))
UNPROCESSABLE: Final = 422
OK: Final = 200
ONE_CLICK: Final = {"List-Unsubscribe": "One-Click"}


class Stuck(Exception):
    """A page did not do what it is for. This is a bug of ours: the text says which page."""

    def __init__(self, page: Page) -> None:
        super().__init__(f"HTTP {page.status} {page.alert} at {page.url}")
        self.page = page


class Acts:
    """Acts for everybody; may be called from several threads."""

    def __init__(self, mail: SendGridSandbox, browser: Browser | None = None) -> None:
        self._mail = mail
        self._browser = browser or Browser()

    def close(self) -> None:
        """Close the connections."""
        self._browser.close()

    def react(self, mail: Delivered, habit: Habit) -> str:
        """React to a question; return why the answer was refused, if it was."""
        if habit.scanned:
            self._scan(mail)
        match habit.deed:
            case Deed.ANSWER:
                return self.answer(mail, habit.said)
            case Deed.LEAVE_BY_PAGE:
                page = self._opened(_first(mail, WAY_OUT))
                self._check(self._browser.send(page, {"do": page.form.choices["do"][0]}))
            case Deed.LEAVE_BY_CLICK:
                way_out = mail.headers["List-Unsubscribe"].strip("<>")
                self._check(self._browser.post(way_out, ONE_CLICK))
            case Deed.COMPLAIN:
                self._mail.state.complain(mail)
            case Deed.IGNORE:
                pass
        return ""

    def answer(self, mail: Delivered, said: Words) -> str:
        """Press a score, write a word and send it; return why it was refused, if it was."""
        scored = {
            link.partition(QUESTION)[2]: link for link in links(mail.html) if QUESTION in link
        }
        link = scored.get(said.score) or next(iter(scored.values())).partition("?")[0]
        page = self._opened(link)
        changes = {"comment": said.comment} | ({"score": said.score} if said.score else {})
        answered = self._browser.send(page, changes)
        if answered.status == UNPROCESSABLE:
            return _why(said, answered)
        self._check(answered)
        return ""

    def follow(self, invitation: Delivered, friends: Iterable[Friend]) -> None:
        """Let friends follow a promoter's link, and those who like sign up."""
        for friend in friends:
            page = self._opened(_first(invitation, INVITATION))
            if not friend.joins:
                continue
            about = {"first_name": friend.first, "last_name": friend.last, "email": friend.email}
            boxes = {name: values[0] for name, values in page.form.choices.items()}
            self._check(self._browser.send(page, boxes | about))

    def _scan(self, mail: Delivered) -> None:
        for link in links(mail.html):
            self._opened(link)

    def _opened(self, url: str) -> Page:
        return self._check(self._browser.open(url))

    def _check(self, page: Page) -> Page:
        if page.status != OK:
            raise Stuck(page)
        return page


def _why(said: Words, page: Page) -> str:
    """Return why an answer was refused."""
    if not said.score:
        return "no score"
    return page.alert if said.score in SCORES else "not a score from 0 to 10"


def asks(mail: Delivered) -> bool:
    """Tell whether a mail asks for a score."""
    return QUESTION in mail.html


def invites(mail: Delivered) -> bool:
    """Tell whether a mail brings a promoter's own link."""
    return any(INVITATION in link for link in links(mail.html))


def _first(mail: Delivered, part: str) -> str:
    return next(link for link in links(mail.html) if part in link)
