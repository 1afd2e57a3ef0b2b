"""What the integration user may see and write, as the org itself describes it."""

import html
import logging
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from connectors.errors import Refused, Unauthorized
from connectors.salesforce.api import Org
from connectors.salesforce.config import Config
from connectors.salesforce.errors import SERVICE

log = logging.getLogger(__name__)

CONTROLS: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ufffe\uffff]")
BLANKS: Final = re.compile(r"\s+")
ENTITY_MAX: Final = 6
"""How many characters an escaped one takes: `&quot;`."""
NEEDED: Final = {
    "User": ("Name", "Email", "IsActive"),
    "Account": ("Name", "OwnerId"),
    "Contact": ("LastName", "Email", "AccountId", "OwnerId", "HasOptedOutOfEmail"),
    "Case": ("ContactId", "IsClosed", "ClosedDate"),
}
"""Nothing works without these: not knowing who opted out, we would write to them."""


class SeenField(msgspec.Struct, rename="camel"):
    """A field that the user may see."""

    name: str
    length: int = 0
    createable: bool = True
    updateable: bool = True
    external_id: bool = False
    html_formatted: bool = False


class Described(msgspec.Struct):
    """An object that the user may see."""

    fields: list[SeenField]


class Schema:
    """The objects of the org, each described when it is first needed."""

    def __init__(self, org: Org) -> None:
        self.org = org
        self._known: dict[str, dict[str, SeenField]] = {}
        self._missed: set[tuple[str, str]] = set()

    def fields(self, sobject: str, *, fresh: bool = False) -> Mapping[str, SeenField]:
        """Return the fields of an object by name. Raise `Unauthorized` where it is not visible."""
        if fresh or sobject not in self._known:
            try:
                described = self.org.read(f"sobjects/{sobject}/describe", Described)
            except Refused as error:
                raise Unauthorized(SERVICE, f"{sobject}: {error.problem}") from None
            self._known[sobject] = {field.name: field for field in described.fields}
        return self._known[sobject]

    def visible(self, sobject: str, names: Iterable[str]) -> list[str]:
        """Return those of the names that the user may see, as the org describes them now.

        An optional field that is missing is told once in the log; for one that is needed
        `Unauthorized` is raised.
        """
        seen = self.fields(sobject, fresh=True)
        found = []
        for name in names:
            if name in seen:
                found.append(name)
            elif name in NEEDED.get(sobject, ()):
                problem = f"{sobject}.{name} is not visible: let the integration user read it"
                raise Unauthorized(SERVICE, problem)
            elif (sobject, name) not in self._missed:
                self._missed.add((sobject, name))
                log.warning("%s.%s is not visible to us: we do without it", sobject, name)
        return found

    def long(self, sobject: str, name: str, text: str, length: int) -> str:
        """Return a text as it can stand in a field of many lines; `length` where it is unknown."""
        field = self.fields(sobject).get(name)
        room = (field.length if field else 0) or length
        clean = _sound(CONTROLS.sub("", text))
        if field is None or not field.html_formatted:
            return _cut(clean, room)
        return html.escape(_cut(clean, room // ENTITY_MAX)).replace("\n", "<br>")

    def line(self, sobject: str, name: str, text: str, length: int) -> str:
        """Return a text as it can stand in a field of one line; `length` where it is unknown."""
        field = self.fields(sobject).get(name)
        room = (field.length if field else 0) or length
        return _cut(BLANKS.sub(" ", _sound(CONTROLS.sub(" ", text))).strip(), room)


def wanted(config: Config) -> Mapping[str, Sequence[tuple[str, str]]]:
    """Return what we write, per object: names of fields, and what each is to be created as."""
    answer = (
        (config.score_field, "Number(2, 0)"),
        (config.group_field, "Text(20)"),
        (config.comment_field, "Long Text Area(32768)"),
        (config.answered_at_field, "Date/Time"),
    )
    key = (config.key_field, "Text(120), Unique, External ID")
    return {
        "Contact": (
            *answer,
            (config.surveys_field, "Number(5, 0)"),
            (config.factor_field, "Number(3, 0)"),
        ),
        "Account": (
            (config.account_nps_field, "Number(4, 1)"),
            (config.account_answers_field, "Number(8, 0)"),
            (config.account_answered_at_field, "Date/Time"),
        ),
        "Task": (key,),
        "Lead": (key, (config.promoter_field, "Lookup(Contact)")),
        config.answer_object: (
            key,
            *answer,
            (config.answer_contact_field, "Lookup(Contact)"),
            (config.answer_account_field, "Lookup(Account)"),
            (config.answer_program_field, "Text(80)"),
        ),
    }


def _sound(text: str) -> str:
    """Return the text without halves of characters, which no JSON can carry."""
    return text.encode("utf-8", "replace").decode()


def _cut(text: str, length: int) -> str:
    """Cut a text to a length in UTF-16 units, as Salesforce counts."""
    units = text.encode("utf-16-le")
    if len(units) <= length * 2:
        return text
    return units[: (length - 1) * 2].decode("utf-16-le", "ignore") + "…"
