"""Record ids as Salesforce makes them: 15 characters whose case counts, and 3 that tell it.

The suffix is the vendor's: one character of 32 for each five, a bit for each capital letter, so
that an id survives a tool that folds case.
"""

import re
from typing import Final

DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
SUFFIXES: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
SHORT: Final = 15
LONG: Final = 18
CHUNK: Final = 5
SHAPE: Final = re.compile(r"[0-9A-Za-z]{15}(?:[0-9A-Z]{3})?")


def make(prefix: str, number: int) -> str:
    """Return the 18-character id of the record with this number and key prefix."""
    digits = ""
    while number:
        number, digit = divmod(number, len(DIGITS))
        digits = DIGITS[digit] + digits
    short = f"{prefix}dM0{digits.rjust(SHORT - len(prefix) - 3, '0')}"
    return short + _suffix(short)


def whole(text: str) -> str | None:
    """Return the 18-character form of an id of either length; None where it is no id."""
    if not SHAPE.fullmatch(text):
        return None
    short = text[:SHORT]
    known = short + _suffix(short)
    return known if text in {short, known} else None


def _suffix(short: str) -> str:
    chunks = (short[at : at + CHUNK] for at in range(0, SHORT, CHUNK))
    return "".join(
        SUFFIXES[sum(1 << bit for bit, char in enumerate(chunk) if char.isupper())]
        for chunk in chunks
    )
