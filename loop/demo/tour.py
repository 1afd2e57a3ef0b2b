"""Pages to look at when a demo is over: those where something happened."""

from sqlalchemy import select
from sqlmodel import col

from loop.demo.acts import asks
from loop.demo.browser import links
from loop.demo.people import HUBSPOT, SALESFORCE
from loop.demo.worlds import World
from loop.models import Answer, Case, Contact, Survey
from loop.states import CaseState, Stage

LIKELY: int = 10


def sites(world: World) -> dict[str, str]:
    """Return where the servers are."""
    return {
        "mail outbox": f"{world.sites['mail']}/",
        "Salesforce": f"{world.sites[SALESFORCE]}/",
        "HubSpot": f"{world.sites[HUBSPOT]}/",
    }


def pages(world: World) -> dict[str, str]:
    """Return pages worth a look, by what they are."""
    return {**_survey(world), **_cases(world), **sites(world)}


def _survey(world: World) -> dict[str, str]:
    """Return a survey that nobody has answered yet, its mail, and the record behind it."""
    with world.app.store.read() as session:
        found = session.scalars(
            select(Contact)
            .join(Survey, col(Survey.contact_id) == col(Contact.id))
            .where(col(Survey.stage) == Stage.ASKED)
            .order_by(col(Contact.owner_id) == "", col(Contact.id))
        ).all()
    mails = {mail.to: mail for mail in world.mail.state.inbox if asks(mail)}
    for contact in sorted(found, key=_hard_to_read):
        if (mail := mails.get(contact.email.strip())) is not None:
            return {
                "a survey to answer": links(mail.html)[LIKELY],
                "its mail": f"{world.sites['mail']}/mail/{mail.number}",
                "its record": _record(world, contact),
            }
    return {}


def _cases(world: World) -> dict[str, str]:
    """Return the record of a detractor in each CRM: one who wrote, whose task is still open."""
    with world.app.store.read() as session:
        found = session.scalars(
            select(Contact)
            .join(Survey, col(Survey.contact_id) == col(Contact.id))
            .join(Case, col(Case.survey_id) == col(Survey.id))
            .join(Answer, col(Answer.survey_id) == col(Survey.id))
            .where(col(Case.task_id) != "")
            .order_by(col(Case.state) != CaseState.OPEN, col(Answer.comment) == "", col(Contact.id))
        ).all()
    best: dict[str, Contact] = {}
    for one in sorted(found, key=_hard_to_read):
        best.setdefault(one.crm, one)
    return {f"a detractor in {crm}": _record(world, best[crm]) for crm in sorted(best)}


def _hard_to_read(contact: Contact) -> bool:
    """Tell whether a name may show as empty boxes, where there are few fonts."""
    return not contact.name.isascii() or "<" in contact.name


def _record(world: World, contact: Contact) -> str:
    return world.app.crms[contact.crm].link("contact", contact.remote_id)
