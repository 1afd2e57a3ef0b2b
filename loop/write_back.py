"""Stage 5: the score goes onto the record.

Everything here is level-triggered: what is written is what is true when it is written, so ten
edits owe one write and a retry is harmless.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Final

from sqlalchemy import select
from sqlmodel import Session, col

from connectors.ports import AccountScore, History, Score
from loop import figures
from loop.app import App
from loop.models import Account, Answer, Contact, Effect, Survey
from loop.outbox import Handler, Skip
from loop.states import EffectState, Group
from loop.store import at_hand, chunks

ANSWERS: Final = "answers"
"""In a session: what the people of a batch have answered."""
GONE: Final = Skip(EffectState.DROPPED, "the record is gone from the CRM")


def score(_app: App, session: Session, effect: Effect) -> Score | Skip:
    """Return the newest answer of the contact's person, as it is to stand on the record."""
    contact = session.get(Contact, effect.contact_id)
    if contact is None or contact.gone_at is not None:
        return GONE
    answers = session.info[ANSWERS].get(contact.customer_id)
    if not answers:
        return Skip(EffectState.DROPPED, "the answer is gone")
    newest = answers[-1]
    return Score(
        contact_id=contact.remote_id,
        account_id=_remote(contact.account_id),
        score=newest.score,
        group=Group.of(newest.score),
        comment=newest.comment,
        answered_at=newest.changed_at,
        surveys=len(answers),
        factor=Group.of(newest.score).factor,
    )


def _load(session: Session, batch: Sequence[Effect]) -> list[Contact]:
    """Load the contacts, and all that their people have answered, the newest last."""
    contacts = at_hand(session, Contact, (effect.contact_id for effect in batch))
    answers: defaultdict[str, list[Answer]] = defaultdict(list)
    for some in chunks(sorted({contact.customer_id for contact in contacts})):
        theirs = select(Answer).where(col(Answer.customer_id).in_(some))
        in_time = theirs.order_by(col(Answer.answered_at), col(Answer.survey_id))
        for answer in session.scalars(in_time):
            answers[answer.customer_id].append(answer)
    session.info[ANSWERS] = answers
    return contacts


def history(_app: App, session: Session, effect: Effect) -> History | Skip:
    """Return an answer to be kept beside the record."""
    contact = session.get(Contact, effect.contact_id)
    answer = session.get(Answer, effect.survey_id)
    if contact is None or contact.gone_at is not None or answer is None:
        return GONE
    survey = session.get_one(Survey, effect.survey_id)
    return History(
        key=f"npsloop-{survey.id}",
        contact_id=contact.remote_id,
        account_id=_remote(contact.account_id),
        score=answer.score,
        group=Group.of(answer.score),
        comment=answer.comment,
        program=survey.program,
        answered_at=answer.changed_at,
    )


def roll_up(_app: App, session: Session, effect: Effect) -> AccountScore | Skip:
    """Return the NPS of an account: the newest answer of each of its people."""
    account = session.get(Account, effect.account_id)
    if account is None or account.gone_at is not None:
        return GONE
    people = select(col(Contact.customer_id)).where(
        col(Contact.account_id) == account.id, col(Contact.gone_at).is_(None)
    )
    in_time = (
        select(Answer)
        .where(col(Answer.customer_id).in_(people))
        .order_by(col(Answer.answered_at), col(Answer.survey_id))
    )
    answers = {answer.customer_id: answer for answer in session.scalars(in_time)}.values()
    if not answers:
        return Skip(EffectState.DROPPED, "the answers are gone")
    return AccountScore(
        account_id=account.remote_id,
        nps=round(figures.nps(answer.score for answer in answers).score, 1),
        answers=len(answers),
        answered_at=max(answer.changed_at for answer in answers),
    )


def _remote(row_id: str) -> str:
    return row_id.partition(":")[2]


SCORE: Final = Handler(request=score, load=_load, send=lambda crm, told: crm.write_scores(told))
HISTORY: Final = Handler(request=history, send=lambda crm, answers: crm.keep(answers))
ROLL_UP: Final = Handler(request=roll_up, send=lambda crm, scores: crm.write_accounts(scores))
