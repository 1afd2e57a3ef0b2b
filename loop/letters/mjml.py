"""MJML to HTML, once for each template; what the compiler lets pass is caught here."""

import re
from collections.abc import Mapping
from typing import Final

from mjml import mjml2html

from loop.letters.mistakes import BadTemplate, near

_TAG: Final = re.compile(r"<(mj-?[a-z-]*)")
_TAGS: Final = (
    "mjml mj-accordion mj-accordion-element mj-accordion-text mj-accordion-title mj-all "
    "mj-attributes mj-body mj-breakpoint mj-button mj-carousel mj-carousel-image mj-class "
    "mj-column mj-divider mj-font mj-group mj-head mj-hero mj-html-attribute mj-html-attributes "
    "mj-image mj-include mj-navbar mj-navbar-link mj-preview mj-raw mj-section mj-selector "
    "mj-social mj-social-element mj-spacer mj-style mj-table mj-text mj-title mj-wrapper"
)
_INCLUDE: Final = re.compile(r"""<mj-include\s+path=["']([^"']+)["']""")
_UNTRACKED: Final = 'clicktracking="off"'


def is_document(source: str) -> bool:
    """Return whether the text is MJML, and not HTML or a few blocks that extend another file."""
    return "<mjml" in source


def parts(source: str) -> list[str]:
    """Return the names of the files that the MJML includes."""
    return _INCLUDE.findall(source)


def compiled(source: str, path: str, parts: Mapping[str, str]) -> str:
    """Return MJML as HTML that holds the Jinja of its source. Raise BadTemplate.

    `parts` holds the text of what each `<mj-include>` names. Without `fonts` the compiler would add
    links to a font service. SendGrid wants `clicktracking=off` bare, MJML wants it quoted.
    """
    _check_tags(source, path)
    before, document = source.split("<mjml", 1)

    def part(path: str) -> str:
        return parts[path]

    try:
        html = mjml2html(f"<mjml{document}", fonts={}, include_loader=part)
    except ValueError as error:
        remedy = "look for a tag that is not closed, a bare < or a value without quotes"
        raise BadTemplate(path, f"this is not MJML ({error}); {remedy}") from error
    return before + html.replace(_UNTRACKED, _UNTRACKED.replace('"', ""))


def _check_tags(source: str, path: str) -> None:
    for found in _TAG.finditer(source):
        if (tag := found[1]) not in _TAGS.split():
            line = source.count("\n", 0, found.start()) + 1
            raise BadTemplate(path, f"MJML has no tag <{tag}>{near(tag, _TAGS.split())}", line=line)
