"""SOQL read into a tree: the clauses that npsloop uses, and no others.

What the vendor refuses is refused here with its codes: AND and OR side by side without
parentheses, double quotes, dangling commas, a date in quotes (told when it is run).
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NoReturn, TypeVar

from connectors.sandbox.salesforce.answers import ApiError

TOKENS: Final = re.compile(
    r"""\s*(?:
        (?P<string>'(?:[^'\\]|\\.)*')
      | (?P<datetime>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,3})?(?:Z|[+-]\d\d:?\d\d))
      | (?P<date>\d{4}-\d\d-\d\d)(?![\dT])
      | (?P<number>[+-]?\d+(?:\.\d+)?)(?![\w-])
      | (?P<name>[A-Za-z_][\w.]*(?::\d+)?)
      | (?P<sign><=|>=|!=|<>|=|<|>|\(|\)|,)
    )""",
    re.VERBOSE | re.DOTALL,
)
ESCAPES: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f", '"': '"', "'": "'"} | {
    "\\": "\\"
}
Item = TypeVar("Item")
PERIODS: Final = re.compile(r"(?i)today|yesterday|last_n_days:\d+")


@dataclass(frozen=True)
class Token:
    """One word of the query, and where it stands."""

    kind: str
    text: str
    at: int


@dataclass(frozen=True, kw_only=True)
class Literal:
    """A value as it is written."""

    kind: str
    """`string`, `number`, `datetime`, `date`, `boolean`, `null` or `period`."""
    text: str


@dataclass(frozen=True, kw_only=True)
class Compare:
    """A field held against one value or several."""

    path: str
    sign: str
    values: Sequence[Literal]
    at: int


@dataclass(frozen=True)
class Both:
    """All of these hold (`and`), or one of them (`or`)."""

    word: str
    parts: Sequence["Where"]


@dataclass(frozen=True)
class Not:
    """What must not hold."""

    part: "Where"


Where = Compare | Both | Not


@dataclass(frozen=True, kw_only=True)
class Order:
    """A field to sort by."""

    path: str
    at: int
    down: bool = False
    nulls_last: bool = False


@dataclass(kw_only=True)
class Select:
    """A whole query."""

    text: str
    paths: list[tuple[str, int]] = field(default_factory=list)
    counts: str | None = None
    """The argument of COUNT: empty for COUNT(), None where nothing is counted."""
    sobject: str = ""
    sobject_at: int = 0
    where: Where | None = None
    order: list[Order] = field(default_factory=list)
    limit: int | None = None
    offset: int = 0


def parse(text: str) -> Select:
    """Read a query. Raise `ApiError` with MALFORMED_QUERY where it is none."""
    return _Parser(text).select()


def refuse(code: str, query: str, at: int, why: str) -> NoReturn:
    """Raise the vendor's error about a place in the query."""
    around = query[max(0, at - 20) : at + 20].replace("\n", " ")
    pointer = " " * min(at, 20) + "^"
    message = f"\n{around}\n{pointer}\nERROR at Row:1:Column:{at + 1}\n{why}"
    raise ApiError(400, code, message)


def unescaped(text: str) -> str:
    """Return what a quoted string says. Raise `ApiError` where an escape is none."""
    return re.sub(r"\\(.)", lambda found: _escape(found[1]), text[1:-1], flags=re.DOTALL)


def pattern(text: str) -> re.Pattern[str]:
    """Return the pattern that the argument of LIKE stands for."""
    parts = []
    for piece in re.findall(r"\\.|.", text[1:-1], flags=re.DOTALL):
        if piece in {"%", "_"}:
            parts.append(".*" if piece == "%" else ".")
        elif piece in {r"\%", r"\_"}:
            parts.append(re.escape(piece[1]))
        else:
            parts.append(re.escape(_escape(piece[1]) if len(piece) > 1 else piece))
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)


def _escape(char: str) -> str:
    if char not in ESCAPES:
        raise ApiError(400, "MALFORMED_QUERY", f"Invalid string literal: illegal escape \\{char}")
    return ESCAPES[char]


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.tokens = list(self._tokens())
        self.at = 0

    def select(self) -> Select:
        self._word("select")
        query = Select(text=self.text)
        self._items(query)
        self._word("from")
        name = self._take("name")
        query.sobject, query.sobject_at = name.text, name.at
        if self._maybe("where"):
            query.where = self._where()
        if self._maybe("order"):
            self._word("by")
            query.order = self._listed(self._order)
        if self._maybe("limit"):
            query.limit = int(self._take("number").text)
        if self._maybe("offset"):
            query.offset = int(self._take("number").text)
        if self._next().kind != "end":
            self._unexpected()
        return query

    def _tokens(self) -> list[Token]:
        found, at = [], 0
        end = len(self.text.rstrip())
        while at < end:
            match = TOKENS.match(self.text, at)
            if match is None or match.lastgroup is None:
                start = at + len(self.text[at:]) - len(self.text[at:].lstrip())
                char = self.text[start]
                why = f"line 1:{start} no viable alternative at character '{char}'"
                raise ApiError(400, "MALFORMED_QUERY", why)
            kind = match.lastgroup
            found.append(Token(kind, match[kind], match.start(kind)))
            at = match.end()
        return [*found, Token("end", "<EOF>", end)]

    def _items(self, query: Select) -> None:
        if self._next().text.lower() == "count" and self._next(1).text == "(":
            self.at += 2
            query.counts = "" if self._next().text == ")" else self._take("name").text
            self._sign(")")
            return
        for name in self._listed(lambda: self._take("name")):
            query.paths.append((name.text, name.at))

    def _listed(self, read: Callable[[], Item]) -> list[Item]:
        found = [read()]
        while self._maybe(","):
            found.append(read())
        return found

    def _order(self) -> Order:
        name = self._take("name")
        down = bool(self._maybe("desc"))
        if not down:
            self._maybe("asc")
        nulls_last = False
        if self._maybe("nulls"):
            nulls_last = bool(self._maybe("last"))
            if not nulls_last:
                self._word("first")
        return Order(path=name.text, at=name.at, down=down, nulls_last=nulls_last)

    def _where(self) -> Where:
        parts, words = [self._part()], set[str]()
        while (word := self._next().text.lower()) in {"and", "or"}:
            words.add(word)
            if len(words) > 1:
                self._unexpected()
            self.at += 1
            parts.append(self._part())
        return Both(words.pop(), parts) if words else parts[0]

    def _part(self) -> Where:
        if self._maybe("not"):
            return Not(self._part())
        if self._maybe("("):
            inside = self._where()
            self._sign(")")
            return inside
        return self._compare()

    def _compare(self) -> Compare:
        name = self._take("name")
        sign = self._next().text.lower()
        self.at += 1
        if sign == "not":
            self._word("in")
            sign = "not in"
        if sign in {"in", "not in"}:
            self._sign("(")
            values = self._listed(self._literal)
            self._sign(")")
        elif sign in {"=", "!=", "<>", "<", ">", "<=", ">=", "like"}:
            values = [self._literal()]
        else:
            self.at -= 1
            self._unexpected()
        return Compare(path=name.text, sign=sign.replace("<>", "!="), values=values, at=name.at)

    def _literal(self) -> Literal:
        token = self._next()
        self.at += 1
        lower = token.text.lower()
        if token.kind in {"string", "number", "date", "datetime"}:
            return Literal(kind=token.kind, text=token.text)
        if lower in {"true", "false"}:
            return Literal(kind="boolean", text=lower)
        if lower == "null":
            return Literal(kind="null", text=lower)
        if not PERIODS.fullmatch(lower):
            self.at -= 1
            self._unexpected()
        return Literal(kind="period", text=lower)

    def _next(self, ahead: int = 0) -> Token:
        return self.tokens[min(self.at + ahead, len(self.tokens) - 1)]

    def _maybe(self, word: str) -> bool:
        token = self._next()
        if token.kind == "string" or token.text.lower() != word:
            return False
        self.at += 1
        return True

    def _word(self, word: str) -> None:
        if not self._maybe(word):
            self._unexpected()

    _sign = _word

    def _take(self, kind: str) -> Token:
        token = self._next()
        if token.kind != kind or token.text.lower() in {"from", "where", "order", "limit"}:
            self._unexpected()
        self.at += 1
        return token

    def _unexpected(self) -> NoReturn:
        token = self._next()
        why = f"unexpected token: '{token.text}'"
        refuse("MALFORMED_QUERY", self.text, token.at, why)
