"""What an answer owes the outside world, and the case or referral that it opens or withdraws."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from sqlalchemy import select
from sqlmodel import Session, col

from loop import moves
from loop.answer.known import Question, Record, records
from loop.app import App, Purpose
from loop.columns import new_id
from loop.models import Case, Referral
from loop.outbox import Owed
from loop.states import CaseState, Group, Kind, ReferralState
from loop.store import chunks, upsert


class After(NamedTuple):
    """A survey that was just answered."""

    survey: Question
    group: Group
    kinds: tuple[Kind, ...]
    first: bool
    """It had no answer before."""
    stop: bool
    """They asked to be left alone: no mail comes of it."""


def owes(app: App, session: Session, answered: Sequence[After], now: datetime) -> list[Owed]:
    """Return all that these answers owe; open, withdraw or reopen their cases and referrals.

    Each is owed once, as the roll-up is by all who answer at one account.
    """
    contacts = records(session, [after.survey.customer_id for after in answered])
    corrected = [after for after in answered if not after.first]
    cases = _cases(session, [after.survey.id for after in corrected])
    _open_cases(session, answered, cases, now)
    if app.config.refer.enabled:
        _open_referrals(app, session, answered, now)
    effects: list[Owed] = []
    for after in answered:
        survey = after.survey
        for contact in contacts.get(survey.customer_id, ()):
            if contact.crm in app.crms:
                effects += _write_back(survey, contact, now)
        effects += _follow_up(app, after, now, had_case=survey.id in cases)
    return list(dict.fromkeys(effects))


def _write_back(survey: Question, contact: Record, now: datetime) -> Iterator[Owed]:
    crm, account_id = contact.crm, contact.account_id
    history = f"{survey.id}:{contact.id}"
    yield Owed(Kind.SCORE, contact.id, now, crm, survey.id, contact.id, account_id)
    yield Owed(Kind.HISTORY, history, now, crm, survey.id, contact.id, account_id)
    if account_id:
        yield Owed(Kind.ROLL_UP, account_id, now, crm, account_id=account_id)


def _follow_up(app: App, after: After, now: datetime, *, had_case: bool) -> Iterator[Owed]:
    survey, kinds, config = after.survey, after.kinds, app.config
    if Kind.TASK in kinds or had_case:
        crm = survey.contact_id.partition(":")[0]
        yield Owed(Kind.TASK, survey.id, now, crm, survey.id, survey.contact_id, survey.account_id)
    if after.stop:
        return
    if Kind.WORD in kinds and config.follow_up.passive_mail:
        due_at = now + timedelta(minutes=config.follow_up.wait_minutes)
        yield Owed(Kind.WORD, survey.id, due_at, survey_id=survey.id)
    if Kind.INVITE in kinds and config.refer.enabled:
        due_at = now + timedelta(minutes=config.refer.wait_minutes)
        yield Owed(Kind.INVITE, survey.id, due_at, survey_id=survey.id)


def _open_cases(
    session: Session, answered: Sequence[After], cases: dict[str, Case], now: datetime
) -> None:
    fresh = [
        {
            "survey_id": after.survey.id,
            "state": CaseState.OPEN,
            "task_crm": after.survey.contact_id.partition(":")[0],
            "task_id": "",
            "owner_id": "",
            "opened_at": now,
            "closed_at": None,
        }
        for after in answered
        if after.group is Group.DETRACTOR and after.survey.id not in cases
    ]
    upsert(session, Case, fresh, key=("survey_id",))
    for after in answered:
        case = cases.get(after.survey.id)
        if case is None:
            continue
        if after.group is Group.DETRACTOR and case.state is CaseState.WITHDRAWN:
            moves.case(session, case, CaseState.OPEN, now)
        elif after.group is not Group.DETRACTOR and case.state is CaseState.OPEN:
            moves.case(session, case, CaseState.WITHDRAWN, now)
    session.flush()


def _open_referrals(app: App, session: Session, answered: Sequence[After], now: datetime) -> None:
    fresh = [
        _referral(app, after.survey, now)
        for after in answered
        if after.group is Group.PROMOTER and not after.stop
    ]
    upsert(session, Referral, fresh, key=("customer_id",))
    corrected = {after.survey.customer_id: after for after in answered if not after.first}
    for some in chunks(sorted(corrected)):
        for referral in session.scalars(
            select(Referral)
            .where(col(Referral.customer_id).in_(some))
            .order_by(col(Referral.id))
            .with_for_update()
        ):
            _again(session, referral, corrected[referral.customer_id].group, now)
    session.flush()


def _again(session: Session, referral: Referral, group: Group, now: datetime) -> None:
    """Withdraw an invitation that has not gone out, or owe it after all."""
    promoter = group is Group.PROMOTER
    if referral.state is ReferralState.OWED and not promoter:
        moves.referral(session, referral, ReferralState.WITHDRAWN, now)
    elif referral.state is ReferralState.WITHDRAWN and promoter:
        moves.referral(session, referral, ReferralState.OWED, now)


def _referral(app: App, survey: Question, now: datetime) -> dict[str, object]:
    referral_id = new_id()
    return {
        "id": referral_id,
        "survey_id": survey.id,
        "customer_id": survey.customer_id,
        "state": ReferralState.OWED,
        "link_hash": app.keys.hash_of(Purpose.REFER, referral_id),
        "created_at": now,
        "expires_at": now + timedelta(days=app.config.refer.open_days),
    }


def _cases(session: Session, survey_ids: Sequence[str]) -> dict[str, Case]:
    return {
        case.survey_id: case
        for some in chunks(survey_ids)
        for case in session.scalars(
            select(Case)
            .where(col(Case.survey_id).in_(some))
            .order_by(col(Case.survey_id))
            .with_for_update()
        )
    }
