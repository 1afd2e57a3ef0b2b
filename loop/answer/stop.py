"""Whether a comment is a wish to be left alone."""

import re
import unicodedata
from typing import Final

WORDS: Final = (
    "stop",
    "stop all",
    "stopall",
    "stop please",
    "please stop",
    "unsubscribe",
    "unsubscribe me",
    "opt out",
    "optout",
    "remove me",
    "abmelden",
    "désabonner",
    "baja",
    "remover",
)
STOP: Final = re.compile(rf"\W*(?:{'|'.join(map(re.escape, WORDS))})\W*", re.IGNORECASE)


def says_stop(comment: str) -> bool:
    """Tell whether the comment is such a wish and nothing else.

    "STOP" and "stop!" are; "stop sending broken routers" is a complaint to be heard.
    """
    return STOP.fullmatch(unicodedata.normalize("NFKC", comment)) is not None
