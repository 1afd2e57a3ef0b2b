"""What stands in a column: ids, aware times, and words of an enumeration."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from random import Random
from time import time_ns
from typing import Any

from sqlalchemy import Column, ColumnElement, DateTime, Dialect, Index, Text, literal_column, text
from sqlalchemy.sql.operators import OperatorType
from sqlalchemy.types import TypeDecorator
from sqlmodel import Field

_time_ns: Callable[[], int] = time_ns
_CHANCE = Random()  # noqa: S311 - an id keeps no secret
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_CHANCE.seed)


def new_id() -> str:
    """Return an id that nobody else has: the time first, so that new rows stand side by side.

    An index of ids in no order is written all over at each commit. It is what RFC 9562 makes
    UUIDs of version 7 of: microseconds, then 76 bits of chance, drawn without a system call.
    """
    return f"{_time_ns() // 1000:013x}{_CHANCE.getrandbits(76):019x}"


@contextmanager
def ids_from(seed: int) -> Iterator[None]:
    """Let ids come from a seed meanwhile, and in no order: the same ones each time."""
    global _CHANCE, _time_ns
    before = _CHANCE, _time_ns
    _CHANCE, _time_ns = Random(seed), lambda: 0  # noqa: S311 - as above
    try:
        yield
    finally:
        _CHANCE, _time_ns = before


class Instant(TypeDecorator[datetime]):
    """An aware time, kept as UTC. A naive one is refused."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """Turn any aware time into UTC."""
        if value is not None and value.tzinfo is None:
            message = "a time without its zone"
            raise ValueError(message)
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:  # noqa: ARG002 - SQLAlchemy's
        """Give SQLite's times their zone back, and turn PostgreSQL's into UTC."""
        return None if value is None else value.replace(tzinfo=value.tzinfo or UTC).astimezone(UTC)


class Word(TypeDecorator[StrEnum]):
    """One of an enumeration's words, kept as text."""

    class comparator_factory(TypeDecorator.Comparator[StrEnum]):  # noqa: N801 - SQLAlchemy's
        """Compares with the word itself, not with a parameter: only so do partial indexes serve."""

        def operate(self, op: OperatorType, *other: Any, **more: Any) -> ColumnElement[Any]:  # noqa: ANN401 - SQLAlchemy's
            """Compare."""
            return super().operate(op, *map(_said, other), **more)

    impl = Text
    cache_ok = True

    def __init__(self, words: type[StrEnum]) -> None:
        super().__init__()
        self.words = words

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 - SQLAlchemy's
        """Turn the word into plain text. Raise ValueError where it is none of them."""
        return None if value is None else str(self.words(value))

    def process_result_value(self, value: str | None, dialect: Dialect) -> StrEnum | None:  # noqa: ARG002 - SQLAlchemy's
        """Turn the text into the word."""
        return None if value is None else self.words(value)


def _said(other: Any) -> Any:  # noqa: ANN401 - whatever a column is compared with
    """Return words as they stand in a statement."""
    if isinstance(other, StrEnum):
        return literal_column(f"'{other}'")
    return (
        [_said(one) for one in other]
        if isinstance(other, tuple | list | set | frozenset)
        else other
    )


def word(words: type[StrEnum], first: StrEnum | None = None, *, index: bool = False) -> Any:  # noqa: ANN401 - as SQLModel's Field
    """Return a field that holds one word of an enumeration."""
    default: dict[str, Any] = {} if first is None else {"default": first}
    return Field(**default, sa_column=Column(Word(words), nullable=False, index=index))


def instant(*, nullable: bool = False, index: bool = False) -> Any:  # noqa: ANN401 - as SQLModel's Field
    """Return a field that holds an aware time."""
    default: dict[str, Any] = {"default": None} if nullable else {}
    return Field(**default, sa_type=Instant, nullable=nullable, index=index)


def some(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Return an index of some rows only: of the few that a query with that condition looks for."""
    return Index(
        name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where)
    )
