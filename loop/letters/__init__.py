"""Turn a template and words into a mail or a page.

Templates come from the operator's folder first and from ours second; ours are always there as
`builtin/...` too, so that an operator's file can include or extend the one it replaces. Each file
is looked for in the customer's language (`ask/de-AT/`, `ask/de/`, `ask/`). Words are plain text,
numbers, lists and dictionaries; templates run in a sandbox and can call nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

from jinja2 import Template, TemplateNotFound

from loop.letters.environment import environment_of
from loop.letters.mistakes import BadTemplate, bad_template
from loop.letters.words import Word, contrast, direction, languages, one_line, plain

__all__ = ["BadTemplate", "Letter", "Letters", "Word", "contrast", "one_line"]

_KEPT_MAX: Final = 512
"""How many pairs of a file and a language are remembered at a time."""


@dataclass(frozen=True, kw_only=True)
class Letter:
    """A mail that is ready to go: its subject is one line."""

    subject: str
    text: str
    html: str


class Letters:
    """Every mail and page, by name.

    `folder` is the operator's, `builtin` ours; `language` is what the files are written in that
    stand in no folder of a language. Files are read once: a change takes a restart.
    """

    def __init__(self, folder: Path | None = None, *, builtin: Path, language: str = "en") -> None:
        self._environment = environment_of(folder, builtin)
        self._language = language
        self._found = lru_cache(_KEPT_MAX)(self._find)

    def letter(self, name: str, words: Mapping[str, Word], locale: str = "") -> Letter:
        """Return the mail `name` (`ask`, `refer`, `thank`) in the customer's language, or ours.

        Raise BadTemplate where a template is wrong, TypeError where a word is not plain.
        """
        said = plain(words)
        return Letter(
            subject=one_line(self._written(name, "subject.txt", said, locale)),
            text=self._written(name, "body.txt", said, locale),
            html=self._written(name, "body.mjml", said, locale),
        )

    def page(self, name: str, words: Mapping[str, Word], locale: str = "") -> str:
        """Return the page `name` (`survey`), or a file of `pages/` by its whole name (`brand.css`).

        Raise BadTemplate where a template is wrong, TypeError where a word is not plain.
        """
        file = name if "." in name else f"{name}.html"
        return self._written("pages", file, plain(words), locale)

    def _written(self, folder: str, file: str, words: dict[str, Word], locale: str) -> str:
        template, own = self._found(folder, file, locale)
        said = words | own
        try:
            return template.render(said)
        except Exception as error:
            raise bad_template(error, said) from error

    def _find(self, folder: str, file: str, locale: str) -> tuple[Template, dict[str, Word]]:
        """Return the file in the language nearest to `locale`, and the words for that language."""
        for language in (*languages(locale), ""):
            path = "/".join(part for part in (folder, language, file) if part)
            spoken = language or self._language
            try:
                template = self._environment.get_template(path)
            except TemplateNotFound as error:
                if error.name != path:
                    raise bad_template(error, {}) from error
            except Exception as error:
                raise bad_template(error, {}) from error
            else:
                return template, {"lang": spoken, "dir": direction(spoken)}
        raise BadTemplate(f"{folder}/{file}", "there is no such template")
