"""Puts a letter into a mail: whom it is to, whose name stands on it, and the way out of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final

from sqlmodel import Session

from connectors.ports import Mail
from loop.app import App, Purpose
from loop.letters import contrast
from loop.models import Contact, Effect, Owner, Survey

QUESTION: Final = "How likely are you to recommend {product} to a friend or colleague?"
REASON: Final = "You get this because you are a customer of {company}."


@dataclass(frozen=True)
class Occasion:
    """Why somebody is written to: which letter, about which survey, and its own words."""

    letter: str
    survey: Survey
    words: dict[str, Any]


def mail(app: App, session: Session, effect: Effect, occasion: Occasion) -> Mail:
    """Return the mail, to the address that the contact has now."""
    survey, config = occasion.survey, app.config
    contact = session.get(Contact, survey.contact_id)
    owner = session.get(Owner, contact.owner_id) if contact and contact.owner_id else None
    owner = owner if owner and owner.active else None
    way_out = app.link(Purpose.LEAVE, survey.id)
    words = common(app, survey, owner) | {"unsubscribe_url": way_out} | occasion.words
    letter = app.letters.letter(occasion.letter, words, locale=survey.snapshot["locale"])
    in_name_of = owner.name if owner and config.sender.owner_name else ""
    return Mail(
        key=effect.key,
        to=(contact.email if contact else survey.snapshot["email"]).strip(),
        to_name=contact.name if contact else survey.snapshot["name"],
        sender=config.sender.email,
        sender_name=in_name_of or config.sender.name or config.company.name,
        reply_to=config.sender.reply_to or (owner.email if owner else ""),
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
        headers={
            # RFC 8058: one click, no page, no login
            "List-Unsubscribe": f"<{way_out}>",
            "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
        },
    )


def addresses(app: App, surveys: Iterable[Survey]) -> list[str]:
    """Return where the surveys were sent, as the suppression list has it (hashes).

    Their people may have another address by now; whoever got the mail is meant as well.
    """
    emails = {survey.snapshot["email"].strip().lower() for survey in surveys}
    return sorted(app.keys.address(email) for email in emails if email)


def common(app: App, survey: Survey, owner: Owner | None = None) -> dict[str, Any]:
    """Return the words that every letter has."""
    company, snapshot = app.config.company, survey.snapshot
    return {
        "customer": snapshot["first_name"],
        "company": company.name,
        "product": snapshot["product"],
        "owner": owner.name if owner else "",
        "reason": snapshot["reason"] or REASON.format(company=company.name),
        "question": QUESTION.format(product=snapshot["product"]),
        "postal_address": company.postal_address,
        "brand": company.brand_colour,
        "brand_text": contrast(company.brand_colour),
    }
