"""Words as the stages and the web give them to templates, for tests that render some."""

from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from loop.letters import contrast

BUILTIN = Path(__file__).parents[1] / "templates"
HOST = "https://nps.example.com"
BRAND = "#2f5d50"

MAIL: dict[str, Any] = {
    "customer": "Ann",
    "company": "Harbour & Co",
    "product": "Harbour Desk",
    "owner": "Beth Moore",
    "reason": "You get this because Harbour & Co works for you. We ask every 90 days at most.",
    "question": "How likely are you to recommend Harbour Desk to a friend or colleague?",
    "scores": [{"n": n, "url": f"{HOST}/a/t0ken?score={n}"} for n in range(11)],
    "answer_url": f"{HOST}/a/t0ken",
    "unsubscribe_url": f"{HOST}/u/t0ken",
    "postal_address": "1 Quay Street, Bristol BS1 4AA, United Kingdom",
    "brand": BRAND,
    "brand_text": contrast(BRAND),
    "refer_url": f"{HOST}/r/t0ken",
    "score": 8,
    "change_url": f"{HOST}/a/t0ken",
}
"""What the three mails are given, taken together."""

PAGE: dict[str, Any] = {
    "company": "Harbour & Co",
    "product": "Harbour Desk",
    "title": "Something went wrong",
    "message": "It is not your fault. Please try again in a minute.",
    "action": "/a/t0ken",
    "question": MAIL["question"],
    "score": 9,
    "comment": "",
    "error": "",
    "changing": False,
    "unsubscribe_url": "/u/t0ken",
    "group": "promoter",
    "owner": "Beth Moore",
    "days": 2,
    "change_url": "/a/t0ken",
    "until": "6 December 2026",
    "refer_url": "https://nps.example.com/r/t0ken",
    "promoter": "Ann",
    "consent": "Example Ltd may keep what I wrote here and write to me about the Example.",
    "headline": "",
    "program": "relationship",
    "asked_on": "20 November 2026",
    "answered_on": "22 November 2026",
    "changed_on": "23 November 2026",
    "earlier": [{"score": 3, "comment": "Nobody called back.", "on": "22 November 2026"}],
    "case": "open",
    "case_on": "22 November 2026",
    "record_url": "https://crm.example.com/contact/1",
    "postal_address": MAIL["postal_address"],
    "values": {},
    "errors": {},
    "first_name": "Cleo",
    "static": ".",
}
"""What the pages are given, taken together."""

PAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "survey": ("survey", {}),
    "survey-empty": ("survey", {"score": ""}),
    "survey-wrong": ("survey", {"score": "", "error": "score"}),
    "survey-long": ("survey", {"score": 7, "error": "comment", "comment": "Slow. " * 40}),
    "survey-change": (
        "survey",
        {
            "score": 2,
            "changing": True,
            "answered": 8,
            "answered_on": "22 November 2026",
            "comment": "The export takes a whole morning.",
        },
    ),
    "thanks-promoter": ("thanks", {}),
    "thanks-passive": ("thanks", {"group": "passive", "score": 8, "refer_url": ""}),
    "thanks-detractor": ("thanks", {"group": "detractor", "score": 2, "refer_url": ""}),
    "unsubscribe": ("unsubscribe", {}),
    "unsubscribed": ("unsubscribed", {}),
    "gone": ("gone", {}),
    "referral": ("referral", {}),
    "referral-wrong": (
        "referral",
        {
            "values": {"first_name": "Cleo", "email": "cleo@"},
            "errors": {"email": "This is no e-mail address.", "consent": "Please tick this."},
        },
    ),
    "answer": ("answer", {}),
    "joined": ("joined", {}),
    "error": ("error", {}),
    "index": ("index", {}),
}
"""Every page in every state that looks different: its name, and the words that make the state."""


class Seen(HTMLParser):
    """What a browser would make of a page: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.links: list[dict[str, str | None]] = []
        self.addresses: list[str] = []
        self._text: list[str] = []
        self.feed(html)
        self.close()
        self.text = " ".join("".join(self._text).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.addresses += [
            value or "" for name, value in attrs if name in {"href", "src", "action"}
        ]
        if tag == "a":
            self.links.append(dict(attrs))

    def handle_data(self, data: str) -> None:
        self._text.append(data)
