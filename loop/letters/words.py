"""What templates are given: plain words only, and the few things worked out of them."""

import re
from collections.abc import Mapping, Sequence
from typing import Final, Union

Word = Union[str, int, float, bool, Sequence["Word"], Mapping[str, "Word"]]  # noqa: UP007 - it holds itself
"""What a template may be given."""

_NUMBERS: Final = frozenset({int, float, bool})

_UNSENDABLE: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff]")
"""What no HTML or mail may hold: control characters but tab and line ends, and half characters."""

_STEERING: Final = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
"""What turns the direction of a line. Unicode Standard Annex 9, section 2."""

_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}([-_][A-Za-z0-9]{1,8}){0,3}")

_RIGHT_TO_LEFT: Final = frozenset(
    {"ar", "arc", "ckb", "dv", "fa", "he", "iw", "ji", "ks", "nqo", "ps", "sd", "syr", "ug", "ur"}
    | {"yi", "arab", "hebr", "nkoo", "syrc", "thaa"}
)
"""Languages, and scripts that a language may name, written from right to left."""

_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")
_LINEAR_MAX: Final = 0.04045
_EVEN: Final = 0.1791
"""The luminance at which black and white stand out alike."""


def plain(words: Mapping[str, Word]) -> dict[str, Word]:
    """Return the words without what no mail may hold. Raise TypeError where one is not plain.

    A subclass of str is not plain: one that marks itself as safe HTML would not be escaped.
    """
    return {name: _plain(word) for name, word in words.items()}


def _plain(word: Word) -> Word:
    kind = type(word)
    if kind is str:
        return word if word.isprintable() else _UNSENDABLE.sub("", word)  # type: ignore[union-attr,arg-type]
    if kind in _NUMBERS:
        return word
    if kind is list or kind is tuple:
        return [_plain(item) for item in word]  # type: ignore[union-attr]
    if kind is dict:
        return plain(word)  # type: ignore[arg-type]
    message = (
        f"a word for a template is plain text, a number, a list or a dict, not {kind.__name__}"
    )
    raise TypeError(message)


def one_line(text: str) -> str:
    """Return the text as one line that breaks no header and turns no direction."""
    if not text.isprintable():
        text = _STEERING.sub("", _UNSENDABLE.sub("", " ".join(text.split())))
    return " ".join(text.split())


def languages(locale: str) -> tuple[str, ...]:
    """Return the folders to look into: `de_at` gives `de-AT` and `de`. Nothing for no locale.

    The case is RFC 5646's, section 2.1.1; longer ones fall back as in RFC 4647, section 3.4.
    """
    if not _LOCALE.fullmatch(locale):
        return ()
    first, *rest = re.split("[-_]", locale)
    parts = [first.lower(), *(_cased(part) for part in rest)]
    return tuple("-".join(parts[:length]) for length in range(len(parts), 0, -1))


def _cased(part: str) -> str:
    return {2: part.upper(), 4: part.title()}.get(len(part), part.lower())


def direction(language: str) -> str:
    """Return `rtl` for a language written from right to left, else `ltr`."""
    first, *rest = language.lower().split("-")
    script = next((part for part in rest if len(part) == len("Arab")), "")
    return "rtl" if (script or first) in _RIGHT_TO_LEFT else "ltr"


def contrast(colour: str) -> str:
    """Return `#ffffff` or `#000000`, whichever reads better on the colour (`#rrggbb`).

    One of the two always reaches 4.5 to 1, as WCAG 2.2 asks in 1.4.3. Raise ValueError for
    anything else than six hexadecimal digits after a `#`.
    """
    if not _COLOUR.fullmatch(colour):
        message = f"a colour is written #rrggbb, not {colour!r}"
        raise ValueError(message)
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    luminance = 0.2126 * _linear(red) + 0.7152 * _linear(green) + 0.0722 * _linear(blue)
    return "#000000" if luminance > _EVEN else "#ffffff"


def _linear(share: float) -> float:
    return share / 12.92 if share <= _LINEAR_MAX else ((share + 0.055) / 1.055) ** 2.4
