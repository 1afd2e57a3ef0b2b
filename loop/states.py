"""Every move that a survey, a case, a referral and an effect can make, as tables.

Rule 1: nothing else in the program says what may follow what, or what a move owes.
"""

from enum import StrEnum
from typing import Final


class OutOfTurn(Exception):
    """It cannot happen now: the table has no such move."""

    def __init__(self, what: str, was: str, to: str) -> None:
        super().__init__(f"a {what} that is {was} cannot become {to}")


class Group(StrEnum):
    """What a score says. Reichheld, "The One Number You Need to Grow", HBR December 2003."""

    PROMOTER = "promoter"
    PASSIVE = "passive"
    DETRACTOR = "detractor"

    @classmethod
    def of(cls, score: int) -> "Group":
        """Return the group of a score. Raise ValueError outside 0 to 10: never clamp."""
        if not 0 <= score <= 10:  # noqa: PLR2004 - the scale
            message = f"a score is 0 to 10, not {score}"
            raise ValueError(message)
        if score >= 9:  # noqa: PLR2004 - the scale
            return cls.PROMOTER
        return cls.PASSIVE if score >= 7 else cls.DETRACTOR  # noqa: PLR2004 - the scale

    @property
    def factor(self) -> int:
        """Return 100, 0 or -100: the average of these is the NPS."""
        return {Group.PROMOTER: 100, Group.PASSIVE: 0, Group.DETRACTOR: -100}[self]


class Kind(StrEnum):
    """What can be owed to the outside world."""

    ASK = "ask"
    SCORE = "score"
    HISTORY = "history"
    ROLL_UP = "roll_up"
    TASK = "task"
    WORD = "word"
    INVITE = "invite"
    LEAD = "lead"


MAIL: Final = "mail"
"""The service that carries the mail kinds; the others go to a CRM."""

MAIL_KINDS: Final = frozenset({Kind.ASK, Kind.WORD, Kind.INVITE})

LANES: Final = {
    Kind.ASK: "letters",
    Kind.WORD: "letters",
    Kind.INVITE: "letters",
    Kind.SCORE: "scores",
    Kind.HISTORY: "answers",
    Kind.ROLL_UP: "accounts",
    Kind.TASK: "tasks",
    Kind.LEAD: "leads",
}


def lane(service: str, kind: Kind) -> str:
    """Return the lane of an effect: effects of one lane go out one batch after the other."""
    return f"{service}.{LANES[kind]}"


# A survey


class Stage(StrEnum):
    """Where a survey is."""

    CHOSEN = "chosen"
    ASKED = "asked"
    ANSWERED = "answered"
    CLOSED = "closed"
    BOUNCED = "bounced"
    UNSUBSCRIBED = "unsubscribed"
    REFUSED = "refused"
    LAPSED = "lapsed"
    FORGOTTEN = "forgotten"


WRITE_BACK: Final = (Kind.SCORE, Kind.HISTORY, Kind.ROLL_UP)

FOLLOW_UP: Final[dict[Group, tuple[Kind, ...]]] = {
    Group.DETRACTOR: (Kind.TASK,),
    Group.PASSIVE: (Kind.WORD,),
    Group.PROMOTER: (Kind.INVITE,),
}
"""What an answer owes beside the write-back."""

SURVEY: Final[dict[tuple[Stage, Stage], tuple[Kind, ...]]] = {
    (Stage.CHOSEN, Stage.ASKED): (),
    (Stage.CHOSEN, Stage.REFUSED): (),
    (Stage.CHOSEN, Stage.UNSUBSCRIBED): (),
    (Stage.CHOSEN, Stage.LAPSED): (),
    # a doubtful mail may have arrived after all, and a bounce may be a mistake
    (Stage.CHOSEN, Stage.ANSWERED): WRITE_BACK,
    (Stage.CHOSEN, Stage.BOUNCED): (),
    (Stage.REFUSED, Stage.CHOSEN): (),
    (Stage.ASKED, Stage.ANSWERED): WRITE_BACK,
    (Stage.ASKED, Stage.BOUNCED): (),
    (Stage.ASKED, Stage.UNSUBSCRIBED): (),
    (Stage.ASKED, Stage.LAPSED): (),
    (Stage.BOUNCED, Stage.ANSWERED): WRITE_BACK,
    (Stage.UNSUBSCRIBED, Stage.ASKED): (),
    (Stage.UNSUBSCRIBED, Stage.ANSWERED): WRITE_BACK,
    # people change their minds, also when we thought we were done
    (Stage.ANSWERED, Stage.ANSWERED): WRITE_BACK,
    (Stage.ANSWERED, Stage.CLOSED): (),
    (Stage.CLOSED, Stage.ANSWERED): WRITE_BACK,
    **{(stage, Stage.FORGOTTEN): () for stage in Stage if stage is not Stage.FORGOTTEN},
}

OPEN: Final = (Stage.CHOSEN, Stage.ASKED)
"""The question stands: nobody is asked a second one meanwhile."""

ANSWERABLE: Final = frozenset(was for was, to in SURVEY if to is Stage.ANSWERED)


def owed(was: Stage, to: Stage, group: Group | None = None) -> tuple[Kind, ...]:
    """Return what a survey's move owes. Raise `OutOfTurn` where there is no such move."""
    if (was, to) not in SURVEY:
        raise OutOfTurn("survey", was, to)
    kinds = SURVEY[was, to]
    return kinds + FOLLOW_UP[group] if to is Stage.ANSWERED and group else kinds


# A case


class CaseState(StrEnum):
    """Where the follow-up of a detractor is."""

    OPEN = "open"
    RESOLVED = "resolved"
    """Its task was completed."""
    DISMISSED = "dismissed"
    """Its task was deleted in the CRM."""
    WITHDRAWN = "withdrawn"
    """The customer corrected the score."""


CASE: Final = frozenset(
    {
        (CaseState.OPEN, CaseState.RESOLVED),
        (CaseState.OPEN, CaseState.DISMISSED),
        (CaseState.OPEN, CaseState.WITHDRAWN),
        (CaseState.WITHDRAWN, CaseState.OPEN),
    }
)


# A referral


class ReferralState(StrEnum):
    """How far a promoter's link has come."""

    OWED = "owed"
    INVITED = "invited"
    VISITED = "visited"
    JOINED = "joined"
    WITHDRAWN = "withdrawn"


REFERRAL: Final = frozenset(
    {
        (ReferralState.OWED, ReferralState.INVITED),
        (ReferralState.OWED, ReferralState.WITHDRAWN),
        (ReferralState.WITHDRAWN, ReferralState.OWED),
        # a doubtful mail may have arrived after all
        (ReferralState.OWED, ReferralState.VISITED),
        (ReferralState.INVITED, ReferralState.VISITED),
        (ReferralState.VISITED, ReferralState.JOINED),
        (ReferralState.OWED, ReferralState.JOINED),
        (ReferralState.INVITED, ReferralState.JOINED),
    }
)


# An effect


class EffectState(StrEnum):
    """Where something owed is."""

    DUE = "due"
    CLAIMED = "claimed"
    DONE = "done"
    REFUSED = "refused"
    UNKNOWN = "unknown"
    SUPPRESSED = "suppressed"
    EXPIRED = "expired"
    DROPPED = "dropped"


UNSETTLED: Final = (EffectState.DUE, EffectState.CLAIMED, EffectState.UNKNOWN)
"""Something may still happen."""

EFFECT: Final = frozenset(
    {
        (EffectState.DUE, EffectState.CLAIMED),
        (EffectState.DUE, EffectState.DROPPED),
        (EffectState.CLAIMED, EffectState.DONE),
        (EffectState.CLAIMED, EffectState.DUE),
        (EffectState.CLAIMED, EffectState.REFUSED),
        (EffectState.CLAIMED, EffectState.UNKNOWN),
        (EffectState.CLAIMED, EffectState.SUPPRESSED),
        (EffectState.CLAIMED, EffectState.EXPIRED),
        (EffectState.CLAIMED, EffectState.DROPPED),
        (EffectState.UNKNOWN, EffectState.DONE),
        (EffectState.UNKNOWN, EffectState.DUE),
        (EffectState.UNKNOWN, EffectState.REFUSED),
        (EffectState.UNKNOWN, EffectState.DROPPED),
        # an operator has mended what was wrong
        (EffectState.REFUSED, EffectState.DUE),
        (EffectState.REFUSED, EffectState.DROPPED),
        # owed once more: the newest answer is to be written again
        (EffectState.DONE, EffectState.DUE),
        (EffectState.DROPPED, EffectState.DUE),
        (EffectState.SUPPRESSED, EffectState.DUE),
        (EffectState.EXPIRED, EffectState.DUE),
    }
)


def check(what: str, table: frozenset[tuple[StrEnum, StrEnum]], was: StrEnum, to: StrEnum) -> None:
    """Raise `OutOfTurn` where the table has no such move."""
    if (was, to) not in table:
        raise OutOfTurn(what, was, to)
