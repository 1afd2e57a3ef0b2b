"""Finds the columns that are meant, by the names that CRMs and exports give them."""

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Final

from loop.demo.tables import BadFile, Table

CONTACT: Final[Mapping[str, str]] = {
    "id": "id contactid hsobjectid recordid",
    "email": "email emailaddress mail contactemail workemail",
    "first_name": "firstname givenname first contactfirstname vorname",
    "last_name": "lastname surname familyname last contactlastname nachname",
    "name": "name fullname contactname customer customername",
    "title": "title jobtitle contacttitle position",
    "account": "accountname accountid account accountaccountname company companyname "
    "associatedcompanyid organization organisation",
    "locale": "locale language languagec hslanguage",
    "product": "product productc",
    "opted_out": "hasoptedoutofemail hsemailoptout optedout unsubscribed",
    "bounced": "isemailbounced emailbouncedreason hsemailhardbouncereasonenum",
}
"""What is read of a contact, and which columns it stands in, in small letters alone."""
ANSWER: Final[Mapping[str, str]] = {
    "score": "score npsscore nps rating reviewscore overallrating netpro",
    "comment": "comment comments feedback verbatim text reviewcommentmessage content answer",
}


def pairs(given: Sequence[str]) -> dict[str, str]:
    """Read `score=NPS,comment=Why`. Raise `BadFile` for what is no such pair."""
    found = {}
    for part in (part for each in given for part in each.split(",")):
        name, equals, column = (piece.strip() for piece in part.partition("="))
        if not equals or not column:
            message = f"--map {part}: write what=column, such as score=NPS,comment=Why"
            raise BadFile(message)
        known = [*ANSWER, *CONTACT]
        if name not in known:
            message = f"--map {name}=...: {_near(name, known)}it can be {', '.join(known)}"
            raise BadFile(message)
        found[name] = column
    return found


def find(
    table: Table, wanted: Mapping[str, str], mapped: Mapping[str, str], *needed: str
) -> dict[str, str]:
    """Return the column of each thing wanted, where there is one.

    Raise `BadFile` where a column that was named, or is needed, is missing.
    """
    by_letters: dict[str, str] = {}
    for column in table.columns:
        by_letters.setdefault(_letters(column), column)
    found = {}
    for name, names in wanted.items():
        if name in mapped:
            found[name] = _named(table, name, mapped[name])
        elif column := next((by_letters[n] for n in names.split() if n in by_letters), ""):
            found[name] = column
        elif name in needed:
            there = ", ".join(table.columns)
            message = f"{table.path}: which column is the {name}? Say --map {name}=...: {there}"
            raise BadFile(message)
    return found


def _named(table: Table, name: str, column: str) -> str:
    if column in table.columns:
        return column
    same = [each for each in table.columns if _letters(each) == _letters(column)]
    if len(same) == 1:
        return same[0]
    there = ", ".join(table.columns)
    near = _near(column, table.columns)
    message = f"{table.path}: --map {name}={column}: no such column; {near}there are {there}"
    raise BadFile(message)


def _near(word: str, known: Sequence[str]) -> str:
    found = get_close_matches(word.lower(), [each.lower() for each in known], n=1, cutoff=0.5)
    match = next((each for each in known if found and each.lower() == found[0]), "")
    return f"did you mean {match}? " if match else ""


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())
