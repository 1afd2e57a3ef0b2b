"""Stage 7: an invitation to a promoter, and who came through it.

We never take a friend's address from a promoter and never write to a friend first: promoters
get a link to pass on, and a friend signs up on the page behind it.
"""

from dataclasses import dataclass
from typing import Final

from sqlalchemy import select
from sqlmodel import Session, col

from connectors.errors import ConnectorError, Refused
from connectors.ports import Lead, Mail
from loop import moves
from loop.app import App, Purpose, hash_of
from loop.correspondence import Occasion, mail
from loop.models import Answer, Contact, Effect, Owner, Referral, Signup, Survey, Visit
from loop.outbox import Handler, Owed, Skip, owe
from loop.states import REFERRAL, EffectState, Group, Kind, ReferralState

INACTIVE: Final = "inactive_owner"
CONSENT: Final = (
    "{company} may keep what I wrote here and write to me about {product}. "
    "I can take this back at any time."
)


@dataclass(frozen=True, kw_only=True)
class Friend:
    """What a friend filled in."""

    first_name: str
    last_name: str
    company: str
    email: str


def invitation(app: App, session: Session, effect: Effect) -> Mail | Skip:
    """Return the mail with the promoter's own link, unless they are none any more."""
    survey = session.get_one(Survey, effect.survey_id)
    answer = session.get_one(Answer, effect.survey_id)
    referral = _of(session, survey.customer_id)
    if Group.of(answer.score) is not Group.PROMOTER:
        return Skip(EffectState.DROPPED, "the score was changed")
    if referral is None or referral.state is not ReferralState.OWED:
        return Skip(EffectState.DROPPED, "they have their link already")
    words = {"refer_url": app.link(Purpose.REFER, referral.id)}
    return mail(app, session, effect, Occasion("refer", survey, words))


def invited(app: App, session: Session, effect: Effect) -> None:
    """Note that the mailer has the invitation."""
    survey = session.get_one(Survey, effect.survey_id)
    referral = _of(session, survey.customer_id)
    if referral is not None and referral.state is ReferralState.OWED:
        moves.referral(session, referral, ReferralState.INVITED, app.now())


def _of(session: Session, customer_id: str) -> Referral | None:
    query = select(Referral).where(col(Referral.customer_id) == customer_id)
    return session.scalars(query).first()


def find(app: App, session: Session, token: str) -> Referral | None:
    """Return the referral behind a link; None where it is unknown, over or withdrawn."""
    query = select(Referral).where(col(Referral.link_hash) == hash_of(token))
    referral = session.scalars(query.with_for_update()).first()
    if referral is None or referral.state is ReferralState.WITHDRAWN:
        return None
    return referral if app.now() < referral.expires_at else None


def promoter(session: Session, referral: Referral) -> str:
    """Return the first name of the promoter, all that a friend is told."""
    return session.get_one(Survey, referral.survey_id).snapshot["first_name"]


def visit(app: App, session: Session, referral: Referral) -> None:
    """Count a visit of the page."""
    session.add(Visit(referral_id=referral.id, at=app.now()))
    if (referral.state, ReferralState.VISITED) in REFERRAL:
        moves.referral(session, referral, ReferralState.VISITED, app.now())


def consent(app: App) -> str:
    """Return the words that a friend agrees to."""
    company = app.config.company
    return CONSENT.format(company=company.name, product=company.product or company.name)


def join(app: App, session: Session, referral: Referral, friend: Friend) -> None:
    """Keep a friend's own sign-up; the same friend twice is the same as once."""
    email = friend.email.strip().lower()
    query = select(Signup).where(col(Signup.referral_id) == referral.id, col(Signup.email) == email)
    if session.scalars(query).first() is not None:
        return
    signup = Signup(
        referral_id=referral.id,
        first_name=friend.first_name.strip(),
        last_name=friend.last_name.strip(),
        company=friend.company.strip(),
        email=email,
        consent=f"{consent(app)} ({app.now():%Y-%m-%d %H:%M} UTC)",
        at=app.now(),
    )
    session.add(signup)
    if (referral.state, ReferralState.JOINED) in REFERRAL:
        moves.referral(session, referral, ReferralState.JOINED, app.now())
    survey = session.get_one(Survey, referral.survey_id)
    crm = survey.contact_id.partition(":")[0]
    lead = Owed(
        kind=Kind.LEAD,
        about=signup.id,
        due_at=app.now(),
        crm=crm,
        survey_id=survey.id,
        contact_id=survey.contact_id,
        signup_id=signup.id,
    )
    session.flush()
    owe(session, [lead], app.now())


def lead(_app: App, session: Session, effect: Effect) -> Lead | Skip:
    """Return the lead that a sign-up becomes."""
    signup = session.get(Signup, effect.signup_id)
    contact = session.get(Contact, effect.contact_id)
    if signup is None or contact is None:
        return Skip(EffectState.DROPPED, "the sign-up is gone")
    owner = session.get(Owner, contact.owner_id) if contact.owner_id else None
    return Lead(
        key=f"npsloop-{signup.id}",
        email=signup.email,
        first_name=signup.first_name,
        last_name=signup.last_name,
        company=signup.company,
        promoter_contact_id=contact.remote_id,
        promoter_name=contact.name,
        owner_id=owner.remote_id if owner and owner.active else "",
        consent=signup.consent,
    )


def lead_refused(
    _app: App, session: Session, effect: Effect, error: ConnectorError
) -> EffectState | None:
    """Mark an owner whom the CRM will not have, and let it choose one itself."""
    contact = session.get(Contact, effect.contact_id)
    owner = session.get(Owner, contact.owner_id) if contact and contact.owner_id else None
    inactive = isinstance(error, Refused) and error.code == INACTIVE
    if not inactive or owner is None or not owner.active:
        return None
    owner.active = False
    session.add(owner)
    return EffectState.DUE


INVITE: Final = Handler(request=invitation, done=invited)
LEAD: Final = Handler(
    request=lead, send=lambda crm, leads: crm.add_leads(leads), refused=lead_refused
)
