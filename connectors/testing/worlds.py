"""What the suites need besides the connector: the service behind it, set up and read directly.

A world never goes through the connector. It reads texts as a person in the CRM reads them:
where the CRM shows HTML, it gives the text that a browser would show, so that a text which was
not escaped, or escaped twice, comes out changed.
"""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Protocol, TypedDict


class TaskThere(TypedDict):
    """A task as it stands in the CRM."""

    id: str
    subject: str
    body: str
    owner_id: str
    finished: bool
    due: date


class LeadThere(TypedDict):
    """A lead as it stands in the CRM; `promoter` is any text on it that names the promoter."""

    email: str
    first_name: str
    last_name: str
    promoter: str


class World(Protocol):
    """A CRM to be set up and read, behind the connector's back."""

    def add_owner(self, name: str, *, active: bool = True) -> str:
        """Add a user and return the id."""
        ...

    def deactivate_owner(self, owner_id: str) -> None:
        """Make a user inactive."""
        ...

    def add_account(self, name: str, owner_id: str) -> str:
        """Add an account and return its id."""
        ...

    def add_contact(self, **fields: object) -> str:
        """Add a contact and return its id.

        The names are those of `ports.Contact` (email, first_name, last_name, title, account_id,
        owner_id, opted_out).
        """
        ...

    def rename_contact(self, contact_id: str, last_name: str) -> None:
        """Change a contact's last name."""
        ...

    def delete_contact(self, contact_id: str) -> None:
        """Delete a contact, as a user does."""
        ...

    def merge_contacts(self, winner: str, loser: str) -> str:
        """Merge two contacts, as a user does, and return the id of the record that is left."""
        ...

    def close_case(self, contact_id: str, subject: str) -> str:
        """Open a case or ticket for the contact, close it, and return its id."""
        ...

    def later(self) -> None:
        """Let an hour pass for the service: past every look-back and every index's delay."""
        ...

    def score_on(self, contact_id: str) -> int | None:
        """Return the score on the contact record."""
        ...

    def comment_on(self, contact_id: str) -> str:
        """Return the comment on the contact record."""
        ...

    def nps_on(self, account_id: str) -> float | None:
        """Return the NPS on the account record."""
        ...

    def answers_kept(self, contact_id: str) -> int:
        """Return how many answers are kept beside the contact."""
        ...

    def answer_texts(self, contact_id: str) -> list[str]:
        """Return those answers' texts: each holds the comment, perhaps among other words."""
        ...

    def tasks_of(self, contact_id: str) -> list[TaskThere]:
        """Return the tasks on the contact."""
        ...

    def finish_task(self, task_id: str) -> None:
        """Finish a task, as its owner does."""
        ...

    def change_task(self, task_id: str, *, owner_id: str, due: date) -> None:
        """Give a task to somebody else and for another day, as a user does."""
        ...

    def delete_task(self, task_id: str) -> None:
        """Delete a task, as a user does."""
        ...

    def leads(self) -> list[LeadThere]:
        """Return all leads."""
        ...

    def break_down(self) -> None:
        """Answer everything with 503, until mended."""
        ...

    def mend(self) -> None:
        """Be well again."""
        ...

    def lose_answer(self) -> None:
        """Do what the next write asks, then cut the connection instead of answering."""
        ...


class Received(TypedDict):
    """A mail as its one reader gets it, headers decoded."""

    to: Sequence[str]
    """The addresses that this mail shows and reaches: one."""
    to_name: str
    sender: str
    sender_name: str
    subject: str
    text: str
    html: str
    headers: Mapping[str, str]
    key: str
    """Our key, as the provider gives it back."""


class Postbox(Protocol):
    """A mail service to be read and broken, behind the mailer's back."""

    sender: str
    """An address that the service lets us send from."""

    def received(self) -> Sequence[Received]:
        """Return what was accepted, oldest first."""
        ...

    def bad_address(self) -> str:
        """Return an address that the service refuses at once."""
        ...

    def break_down(self) -> None:
        """Refuse all connections, or answer 503 (SMTP: 421), until mended."""
        ...

    def mend(self) -> None:
        """Be well again."""
        ...

    def lose_answer(self) -> None:
        """Accept the next mail, then cut the connection instead of answering."""
        ...


class OpenPostbox(Postbox, Protocol):
    """A mail service that can be asked what it accepted."""

    def hide(self) -> None:
        """Let the account not be asked any more."""
        ...
