"""Pages to look at when a demo is over: those where something happened."""

from sqlalchemy import select
from sqlmodel import col

from loop.demo.acts import asks
from loop.demo.browser import links
from loop.demo.people import HUBSPOT, SALESFORCE
from loop.demo.worlds import World
from loop.models import Case, Contact, Survey
from loop.states import Stage

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
            .order_by(col(Contact.id))
        ).all()
    waiting = {contact.email.strip(): contact for contact in found}
    for mail in world.mail.state.inbox:
        if asks(mail) and (contact := waiting.get(mail.to)) is not None:
            return {
                "a survey to answer": links(mail.html)[LIKELY],
                "its mail": f"{world.sites['mail']}/mail/{mail.number}",
                "its record": _record(world, contact),
            }
    return {}


def _cases(world: World) -> dict[str, str]:
    """Return the record of a detractor in each CRM."""
    with world.app.store.read() as session:
        found = session.scalars(
            select(Contact)
            .join(Survey, col(Survey.contact_id) == col(Contact.id))
            .join(Case, col(Case.survey_id) == col(Survey.id))
            .where(col(Case.task_id) != "")
            .order_by(col(Contact.id).desc())
        ).all()
    return {f"a detractor in {one.crm}": _record(world, one) for one in found}


def _record(world: World, contact: Contact) -> str:
    return world.app.crms[contact.crm].link("contact", contact.remote_id)
