"""What an operator does about an effect: try it again, let it be, say how a doubtful mail ended."""

from typing import Final

from sqlmodel import Session

from loop import moves
from loop.app import App
from loop.models import Effect, Survey
from loop.outbox import settle_unknown
from loop.outbox.deliver import Handlers
from loop.states import EFFECT, MAIL_KINDS, EffectState, Kind, OutOfTurn, Stage, check

SETTLED_AS: Final = {
    "sent": EffectState.DONE,
    "not-sent": EffectState.DUE,
    "drop": EffectState.DROPPED,
}
"""What an operator can say of a mail about which nobody else can know."""


def again(app: App, session: Session, effect: Effect) -> None:
    """Let an effect be due now. Raise `OutOfTurn` where it cannot be.

    A mail that was handed over, or may have been, is never sent a second time: a doubtful one
    is settled first.
    """
    handed_over = effect.kind in MAIL_KINDS and effect.state is EffectState.DONE
    if effect.state in {EffectState.CLAIMED, EffectState.UNKNOWN} or handed_over:
        raise OutOfTurn(_what(effect), effect.state, EffectState.DUE)
    if effect.state is not EffectState.DUE:
        check(_what(effect), EFFECT, effect.state, EffectState.DUE)
    _owe_again(app, effect)
    if effect.kind is Kind.ASK and effect.survey_id is not None:
        survey = session.get_one(Survey, effect.survey_id, with_for_update=True)
        if survey.stage is Stage.REFUSED:
            moves.survey(session, survey, Stage.CHOSEN, app.now(), "tried again")
    session.add(effect)


def _owe_again(app: App, effect: Effect) -> None:
    effect.state, effect.due_at = EffectState.DUE, app.now()
    effect.tries, effect.problem, effect.settled_at = 0, "", None
    effect.version += 1


def drop(app: App, session: Session, effect: Effect) -> None:
    """Let an effect be. Raise `OutOfTurn` where it is over, or somebody is at work on it.

    A question that was never handed over lapses with it: the customer is free for another one.
    """
    if effect.state is EffectState.CLAIMED:
        raise OutOfTurn(_what(effect), effect.state, EffectState.DROPPED)
    check(_what(effect), EFFECT, effect.state, EffectState.DROPPED)
    doubtful = effect.state is EffectState.UNKNOWN
    effect.state, effect.settled_at = EffectState.DROPPED, app.now()
    effect.problem = effect.problem or "dropped by the operator"
    session.add(effect)
    if effect.kind is Kind.ASK and effect.survey_id is not None and not doubtful:
        survey = session.get_one(Survey, effect.survey_id, with_for_update=True)
        if survey.stage is Stage.CHOSEN:
            moves.survey(session, survey, Stage.LAPSED, app.now(), "dropped by the operator")


def settle(app: App, session: Session, effect: Effect, said: str, handlers: Handlers) -> None:
    """Settle a doubtful mail by an operator's word, a key of `SETTLED_AS`.

    Raise `OutOfTurn` where there is no doubt about it.
    """
    to = SETTLED_AS[said]
    if not settle_unknown(app, session, effect.key, to, handlers):
        raise OutOfTurn(_what(effect), effect.state, to)


def _what(effect: Effect) -> str:
    return "mail" if effect.kind in MAIL_KINDS else "effect"
