"""What we know of one person, for `npsloop customer`."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlmodel import Session, col

from loop.cli import found, people
from loop.models import (
    Account,
    Answer,
    Contact,
    Customer,
    Effect,
    Ledger,
    Referral,
    Revision,
    Suppression,
    Survey,
)
from loop.states import EffectState


def everything(session: Session, customer: Customer, now: datetime) -> dict[str, Any]:
    """Return it, as JSON has it."""
    listed = session.get(Suppression, customer.address_hash) if customer.address_hash else None
    forgotten = customer.forgotten_at
    return {
        "id": customer.id,
        "email": customer.email or "",
        "forgotten_at": f"forgotten {forgotten:%Y-%m-%d}" if forgotten else "",
        "suppressed": {"reason": listed.reason, "at": listed.at.isoformat()} if listed else None,
        "records": [_record(session, contact) for contact in people.contacts(session, customer)],
        "surveys": _surveys(session, customer),
        "ledger": _ledger(session, customer),
        "effects": [found.row(effect, now) for effect in _effects(session, customer)],
        "referral": _referral(session, customer),
    }


def counted(session: Session, customer: Customer) -> dict[str, Any]:
    """Return what is erased, or kept without a name, when the person is forgotten."""
    surveys = select(col(Survey.id)).where(col(Survey.customer_id) == customer.id)
    comments = (col(Revision.survey_id).in_(surveys), col(Revision.comment) != "")
    owed = (col(Effect.survey_id).in_(surveys), col(Effect.state) == EffectState.DUE)
    connection = session.connection()
    return {
        "records": [contact.id for contact in people.contacts(session, customer)],
        "surveys": connection.scalar(select(func.count()).select_from(surveys.subquery())) or 0,
        "comments": connection.scalar(select(func.count(col(Revision.id))).where(*comments)) or 0,
        "effects": connection.scalar(select(func.count(col(Effect.id))).where(*owed)) or 0,
    }


def _record(session: Session, contact: Contact) -> dict[str, Any]:
    account = session.get(Account, contact.account_id) if contact.account_id else None
    return {
        "id": contact.id,
        "name": contact.name,
        "email": contact.email,
        "title": contact.title,
        "account": account.name if account else "",
        "owner": contact.owner_id,
        "locale": contact.locale,
        "product": contact.product,
        "opted_out": contact.opted_out,
        "bounced": contact.bounced,
        "gone_at": contact.gone_at.isoformat() if contact.gone_at else None,
    }


def _surveys(session: Session, customer: Customer) -> list[dict[str, Any]]:
    query = select(Survey).where(col(Survey.customer_id) == customer.id)
    told = []
    for survey in session.scalars(query.order_by(col(Survey.chosen_at).desc())).all():
        answer = session.get(Answer, survey.id)
        given = answer and {
            "score": answer.score,
            "comment": answer.comment,
            "answered_at": answer.answered_at.isoformat(),
            "changed_at": answer.changed_at.isoformat(),
        }
        told.append(
            {
                "id": survey.id,
                "program": survey.program,
                "stage": str(survey.stage),
                "chosen_at": survey.chosen_at.isoformat(),
                "asked_at": survey.asked_at.isoformat() if survey.asked_at else None,
                "answer": given,
            }
        )
    return told


def _ledger(session: Session, customer: Customer) -> list[dict[str, Any]]:
    query = select(Ledger).where(col(Ledger.customer_id) == customer.id)
    return [
        {
            "program": line.program,
            "reason": line.reason,
            "at": line.at.isoformat(),
            "next_at": line.next_at.isoformat() if line.next_at else None,
        }
        for line in session.scalars(query.order_by(col(Ledger.program)))
    ]


def _effects(session: Session, customer: Customer) -> list[Effect]:
    surveys = select(col(Survey.id)).where(col(Survey.customer_id) == customer.id)
    query = select(Effect).where(col(Effect.survey_id).in_(surveys))
    return list(session.scalars(query.order_by(col(Effect.created_at), col(Effect.id))))


def _referral(session: Session, customer: Customer) -> str:
    query = select(Referral).where(col(Referral.customer_id) == customer.id)
    referral = session.scalars(query).first()
    return str(referral.state) if referral else ""
