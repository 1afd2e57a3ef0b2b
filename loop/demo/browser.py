"""Opens pages and sends forms as a customer's browser does, with no script and no cookie."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from html.parser import HTMLParser
from typing import Final
from urllib.parse import urlencode, urljoin

from connectors.transport import Wire

LINK: Final = re.compile(r'<a\s[^>]*?href="([^"]*)"', re.IGNORECASE)
FORM: Final = re.compile(r"<form\b.*?</form>", re.IGNORECASE | re.DOTALL)
ALERT: Final = re.compile(r'role="alert"[^>]*>(.*?)<', re.DOTALL)
URLENCODED: Final = {"Content-Type": "application/x-www-form-urlencoded"}
SEE_OTHER: Final = 303


@dataclass
class Form:
    """A form as it stands on a page."""

    action: str
    fields: dict[str, str] = field(default_factory=dict)
    """What is filled in already, and every other field, empty."""
    choices: dict[str, list[str]] = field(default_factory=dict)
    """The values of radio buttons, boxes and named buttons."""


@dataclass(frozen=True)
class Page:
    """What a server answered."""

    url: str
    status: int
    html: str

    @property
    def form(self) -> Form:
        """Return the first form. Raise LookupError where the page has none."""
        found = FORM.search(self.html)
        if found is None:
            message = f"{self.url} has no form (HTTP {self.status})"
            raise LookupError(message)
        reader = _FormReader()
        reader.feed(found[0])
        return reader.form

    @property
    def alert(self) -> str:
        """Return what the page says is wrong; nothing where nothing is."""
        found = ALERT.search(self.html)
        return unescape(found[1]).strip() if found else ""


class Browser:
    """A browser, good for many people at once."""

    def __init__(self, wire: Wire | None = None) -> None:
        self._wire = wire or Wire("a browser")

    def open(self, url: str) -> Page:
        """Open a page."""
        answer = self._wire.request("GET", url)
        return Page(url, answer.status, answer.data.decode())

    def send(self, page: Page, changes: Mapping[str, str]) -> Page:
        """Fill in the page's form, send it, and return the page that comes then."""
        form = page.form
        filled = {**form.fields, **changes}
        return self.post(urljoin(page.url, form.action), filled)

    def post(self, url: str, fields: Mapping[str, str]) -> Page:
        """Post fields, and follow where it leads."""
        body = urlencode(fields)
        answer = self._wire.request("POST", url, body=body, headers=URLENCODED)
        if answer.status == SEE_OTHER:
            return self.open(urljoin(url, answer.headers["Location"]))
        return Page(url, answer.status, answer.data.decode())

    def close(self) -> None:
        """Close the connections."""
        self._wire.close()


def links(html: str) -> list[str]:
    """Return where the links of a mail or a page lead, in their order."""
    return [unescape(found) for found in LINK.findall(html)]


class _FormReader(HTMLParser):
    """Reads one form."""

    def __init__(self) -> None:
        super().__init__()
        self.form = Form("")
        self._area = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take note of a field."""
        given = {name: value or "" for name, value in attrs}
        name = given.get("name", "")
        if tag == "form":
            self.form.action = given.get("action", "")
        elif tag == "textarea":
            self._area = name
            self.form.fields[name] = ""
        elif name and (tag == "button" or given.get("type") in {"radio", "checkbox"}):
            self.form.choices.setdefault(name, []).append(given.get("value", "on"))
            if "checked" in given:
                self.form.fields[name] = given.get("value", "on")
        elif name and tag == "input":
            self.form.fields[name] = given.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        """Leave a text area."""
        if tag == "textarea":
            self._area = ""

    def handle_data(self, data: str) -> None:
        """Take what stands in a text area, less the line break that HTML ignores."""
        if self._area:
            before = self.form.fields[self._area]
            self.form.fields[self._area] = before + (data if before else data.removeprefix("\n"))
