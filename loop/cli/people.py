"""Finds one customer, by address or by id, for the commands that are about one."""

from collections.abc import Sequence

from sqlalchemy import select
from sqlmodel import Session, col

from loop.app import App
from loop.config import Mendable
from loop.models import Contact, Customer, Suppression
from loop.pull.people import normal


class Nobody(Mendable):
    """We know nobody by this address or id."""


def find(app: App, session: Session, who: str) -> Customer:
    """Return the customer with this address or id, or with this record (`crm:id`).

    Raise `Nobody`, with what is still known of the address.
    """
    address = normal(who)
    query = select(Customer).where(col(Customer.email) == address)
    found = session.scalars(query).first() if address else session.get(Customer, who)
    if found is None and not address and (contact := session.get(Contact, who)) is not None:
        found = session.get(Customer, contact.customer_id)
    if found is not None:
        return found
    listed = session.get(Suppression, app.keys.address(address)) if address else None
    if listed is not None:
        raise Nobody(f"nobody by this address; it is suppressed since {listed.at:%Y-%m-%d}")
    raise Nobody("nobody by this address or id: npsloop pull brings customers in")


def contacts(session: Session, customer: Customer) -> Sequence[Contact]:
    """Return the customer's records in all CRMs, those that are gone too."""
    query = select(Contact).where(col(Contact.customer_id) == customer.id)
    return session.scalars(query.order_by(col(Contact.id))).all()
