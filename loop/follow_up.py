"""Stage 6: a task for a detractor; a word to a passive."""

from datetime import date, timedelta
from typing import Final

from sqlalchemy import select
from sqlmodel import Session, col

from connectors.errors import ConnectorError, Refused
from connectors.ports import Mail, Priority, Task
from loop.app import App, Purpose
from loop.config import FollowUp
from loop.correspondence import Occasion, mail
from loop.models import Account, Answer, Case, Contact, Effect, Owner, Survey
from loop.outbox import Handler, Skip
from loop.states import CaseState, EffectState, Group

FRIDAY: Final = 4
SUBJECT: Final = "NPS {score}: call {name}"
NOBODY: Final = "nobody can take this task: name somebody in follow_up.fallback_owner.{crm}"
INACTIVE: Final = "inactive_owner"


def task(app: App, session: Session, effect: Effect) -> Task | Skip:
    """Return the task as it is to stand: one for the case, whatever happens to the answer."""
    case = session.get_one(Case, effect.survey_id)
    survey = session.get_one(Survey, effect.survey_id)
    answer = session.get_one(Answer, effect.survey_id)
    contact = session.get(Contact, survey.contact_id)
    if contact is None or contact.gone_at is not None:
        return Skip(EffectState.DROPPED, "the record is gone from the CRM")
    withdrawn = case.state is CaseState.WITHDRAWN
    if withdrawn and not case.task_id and not effect.problem:  # else a lost call may have made it
        return Skip(EffectState.DROPPED, "the score was corrected before there was a task")
    return Task(
        key=f"npsloop-{survey.id}",
        contact_id=contact.remote_id,
        account_id=contact.account_id.partition(":")[2],
        owner_id=owner_of(app, session, contact),
        subject=SUBJECT.format(score=answer.score, name=contact.name or "the customer"),
        body=_body(app, answer, contact),
        due=due(app.config.follow_up, case.opened_at.date()),
        priority=(
            Priority.HIGH
            if answer.score <= app.config.follow_up.high_priority_max
            else Priority.NORMAL
        ),
        finished=withdrawn,
    )


def owner_of(app: App, session: Session, contact: Contact) -> str:
    """Return who takes the task: the contact's owner, the account's, or the fallback.

    Raise `Refused` where none of them is an active user of this CRM.
    """
    account = session.get(Account, contact.account_id) if contact.account_id else None
    for owner_id in (contact.owner_id, account.owner_id if account else ""):
        owner = session.get(Owner, owner_id) if owner_id else None
        if owner is not None and owner.active:
            return owner.remote_id
    wanted = app.config.follow_up.fallback_owner.get(contact.crm, "")
    fallback = session.scalars(
        select(Owner).where(
            col(Owner.crm) == contact.crm,
            (col(Owner.remote_id) == wanted) | (col(Owner.email) == wanted),
            col(Owner.active),
        )
    ).first()
    if not wanted or fallback is None:
        raise Refused(contact.crm, NOBODY.format(crm=contact.crm))
    return fallback.remote_id


def due(settings: FollowUp, opened: date) -> date:
    """Return the day that many business days after `opened`."""
    day, left = opened, settings.due_business_days
    while left > 0 or not _business(settings, day):
        day += timedelta(days=1)
        left -= _business(settings, day)
    return day


def _business(settings: FollowUp, day: date) -> bool:
    return day.weekday() <= FRIDAY and day not in settings.holidays


def _body(app: App, answer: Answer, contact: Contact) -> str:
    crm = app.crms[contact.crm]
    lines = [
        f"{contact.name or 'This customer'} gave us a {answer.score} out of 10.",
        "",
        answer.comment or "No comment was left.",
        "",
        f"Record: {crm.link('contact', contact.remote_id)}",
        f"Their answer: {app.link(Purpose.SHOW, answer.survey_id)}",
    ]
    if answer.changed_at != answer.answered_at:
        lines.insert(1, f"They changed it on {answer.changed_at:%Y-%m-%d}.")
    return "\n".join(lines)


def task_made(_app: App, session: Session, effect: Effect) -> None:
    """Note that the CRM has the task."""
    case = session.get_one(Case, effect.survey_id)
    case.task_id = effect.remote_id
    session.add(case)


def task_refused(
    _app: App, session: Session, effect: Effect, error: ConnectorError
) -> EffectState | None:
    """Mark an owner whom the CRM will not have, and give the task to the next."""
    if not isinstance(error, Refused) or error.code != INACTIVE:
        return None
    contact = session.get(Contact, effect.contact_id)
    account = session.get(Account, contact.account_id) if contact else None
    for owner_id in (contact.owner_id if contact else "", account.owner_id if account else ""):
        owner = session.get(Owner, owner_id) if owner_id else None
        if owner is not None and owner.active:
            owner.active = False
            session.add(owner)
            return EffectState.DUE
    return None


def word(app: App, session: Session, effect: Effect) -> Mail | Skip:
    """Return the mail to a passive, unless they are none any more."""
    survey = session.get_one(Survey, effect.survey_id)
    answer = session.get_one(Answer, effect.survey_id)
    if Group.of(answer.score) is not Group.PASSIVE:
        return Skip(EffectState.DROPPED, "the score was changed")
    words = {"score": answer.score, "change_url": app.link(Purpose.ANSWER, survey.id)}
    return mail(app, session, effect, Occasion("thank", survey, words))


TASK: Final = Handler(
    request=task,
    send=lambda crm, tasks: crm.put_tasks(tasks),
    done=task_made,
    refused=task_refused,
)
WORD: Final = Handler(request=word)
