"""What runs all day looks things up: no statement of it walks through a table of millions."""

import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import event, text
from sqlmodel import Session, SQLModel, select

from benchmarks.crowd import Crowd, fill
from connectors import ports
from connectors.ports import MailEvent, MailEventKind
from loop import answer, keep, leave, refer, schedule
from loop.answer import Given
from loop.app import hash_of
from loop.cli import found, people
from loop.models import Call, Customer, Effect, Referral, Survey
from loop.outbox import reap, settle_by_evidence
from loop.states import EffectState, Kind, Stage
from loop.store import Store
from tests.conftest import made_database
from tests.loop.conftest import MONDAY, World, make_world

BIG: Final = frozenset(SQLModel.metadata.tables) - {
    "owner",
    "watermark",
    "jobrun",
    "call",
    "budget",
}
"""The tables that grow."""
OF_FEW: Final = frozenset(
    index.name
    for table in SQLModel.metadata.tables.values()
    for index in table.indexes
    if index.dialect_kwargs.get("postgresql_where") is not None
)
"""The indexes of some rows only."""
PEOPLE: Final = 10_000
FAR: Final = MONDAY + timedelta(days=1000)
AS_IF_LARGE: Final = "; ".join(
    f"SET LOCAL enable_{way} = off" for way in ("seqscan", "hashjoin", "mergejoin")
)
"""For a table of ours, walking is quicker than looking up; for one of millions it is not."""
WALK: Final = re.compile(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?")
Statement = tuple[str, Any]
Act = Callable[[], object]
Work = Callable[[World], Act]
"""Makes ready, and returns what is to be looked at; that has to find something to do."""


@pytest.fixture(scope="module")
def crowded_file(sqlite_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fill a database file with a crowd."""
    path = tmp_path_factory.mktemp("crowd") / "npsloop.db"
    shutil.copy(sqlite_template, path)
    _fill(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="module")
def crowded_postgres(postgres: str, postgres_template: str) -> Iterator[str]:
    """Fill a database on the server with a crowd, and give its address."""
    with made_database(postgres, postgres_template) as url:
        _fill(url)
        yield url


def _fill(url: str) -> None:
    store = Store(url)
    fill(store, Crowd(people=PEOPLE, surveys=2 * PEOPLE, now=MONDAY, due=300))
    store.close()


@pytest.fixture(params=["crowded_file", "crowded_postgres"])
def crowd(request: pytest.FixtureRequest) -> Iterator[World]:
    """Give a world with many people, on each kind of database; what is done in it stays done."""
    made = request.getfixturevalue(request.param)
    store = Store(f"sqlite:///{made}" if isinstance(made, Path) else made)
    yield make_world(store, ask={"per_day_max": 100_000})
    store.close()


@contextmanager
def recorded(store: Store) -> Iterator[list[Statement]]:
    """Note each different statement that goes to the database, with what was bound in it."""
    met: dict[str, Any] = {}

    def note(*told: Any) -> None:  # noqa: ANN401 - SQLAlchemy's
        _, _, statement, bound, _, many = told
        met.setdefault(statement, bound[0] if many else bound)

    event.listen(store.engine, "before_cursor_execute", note)
    statements: list[Statement] = []
    yield statements
    event.remove(store.engine, "before_cursor_execute", note)
    told = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
    statements += [one for one in met.items() if one[0].lstrip().startswith(told)]


def walks(store: Store, statements: Sequence[Statement]) -> list[str]:
    """Return what walks through a big table, and which statement does."""
    found = []
    with store.engine.connect() as connection:
        if not store.lite:
            connection.exec_driver_sql(AS_IF_LARGE)
        for statement, bound in statements:
            how = "EXPLAIN QUERY PLAN" if store.lite else "EXPLAIN (FORMAT JSON)"
            rows = connection.exec_driver_sql(f"{how} {statement}", bound).all()
            through = _lite(rows) if store.lite else _postgres(rows[0][0][0]["Plan"])
            found += [f"{walk} in {' '.join(statement.split())}" for walk in through]
    return found


def _lite(rows: Sequence[Any]) -> Iterator[str]:
    for row in rows:
        walked = WALK.match(row.detail)
        if walked and walked[1] in BIG and walked[2] not in OF_FEW:
            yield row.detail


def _postgres(plan: dict[str, Any]) -> Iterator[str]:
    kind, name = plan["Node Type"], plan.get("Relation Name")
    looked_up = "Index Cond" in plan or "Recheck Cond" in plan
    walked = name in BIG and "Scan" in kind and not looked_up
    if walked and plan.get("Index Name") not in OF_FEW:
        yield f"{kind} of {name}"
    for below in plan.get("Plans", ()):
        yield from _postgres(below)


def some(world: World, model: type[Any], **told: object) -> Any:  # noqa: ANN401 - a row of it
    """Return a row that is so."""
    with world.app.store.read() as session:
        return session.exec(select(model).filter_by(**told).limit(1)).one()


def deliver(world: World) -> Act:
    """Claim, call and record in every lane."""
    for person in range(PEOPLE):
        world.add(f"c{person}")
    return lambda: schedule.deliver(world.app)


def free_claims(world: World) -> Act:
    """Free what a dead worker held."""
    effect = some(world, Effect)
    call = Call(lane=effect.lane, worker="dead", size=1, started_at=MONDAY, lease_until=MONDAY)
    with world.app.store.write() as session:
        session.add(call)
        effect.state, effect.call_id = EffectState.CLAIMED, call.id
        session.add(effect)
    world.clock.forward(days=1)
    return lambda: reap(world.app)


def settle(world: World) -> Act:
    """Settle doubtful mails by what came for them."""
    return lambda: settle_by_evidence(world.app, schedule.HANDLERS)


def choose(world: World) -> Act:
    """Choose whose turn it is."""
    return world.choose


def show_page(world: World) -> Act:
    """Show a survey's page."""
    with world.app.store.write() as session:
        survey = session.exec(select(Survey).where(Survey.stage == Stage.ASKED).limit(1)).one()
        survey.answer_hash = hash_of("a link")
    return lambda: reading(world, lambda session: answer.look(world.app, session, "a link"))


def keep_answers(world: World) -> Act:
    """Take an answer, and a change of mind."""
    survey = some(world, Survey, stage=Stage.ASKED)
    with world.app.store.write() as session:
        session.get_one(Survey, survey.id).answer_hash = hash_of("a pressed link")
    given = [Given(token="a pressed link", score=score) for score in (3, 9)]
    return lambda: [
        writing(world, lambda session, one=one: answer.keep(world.app, session, [one]))
        for one in given
    ]


def close(world: World) -> Act:
    """Look for what has been dealt with, and close what owes nothing."""
    return world.close


def lapse(world: World) -> Act:
    """Let what nobody answered lapse."""
    world.clock.forward(days=1)
    return lambda: leave.lapse(world.app)


def take_events(world: World) -> Act:
    """Take what the mail provider tells: delivered, bounced for good, unsubscribed."""
    kinds = (MailEventKind.DELIVERED, MailEventKind.BOUNCED, MailEventKind.UNSUBSCRIBED)
    key = some(world, Effect, kind=Kind.ASK, state=EffectState.DONE).key
    events = [
        MailEvent(id=f"new-{kind}", mail_key=key, kind=kind, at=MONDAY, permanent=True)
        for kind in kinds
    ]
    return lambda: leave.take_events(world.app, events, schedule.HANDLERS)


def pull(world: World) -> Act:
    """Pull records that are new, changed, renamed, merged and gone."""
    state = world.crm.state
    for person in range(5):
        world.add(f"c{person}", f"renamed{person}@acme.example", account_id="a1")
    world.add("new", "ann.archer77@acme77.example", account_id="a1")
    state.triggers["k"] = ports.Trigger(
        id="k", event=ports.TriggerEvent.CASE_CLOSED, contact_id="c1", subject="", at=MONDAY
    )

    def act() -> int:
        world.pull()
        state.merged = {"c2": "c3"}
        for gone in ("c2", "c4"):
            del state.contacts[gone]
        world.pull()
        return 1

    return act


def look_up(world: World) -> Act:
    """Look somebody up by their address, and what is owed to them."""

    def look(session: Session) -> int:
        person = people.find(world.app, session, "ann.archer78@acme78.example")
        query = found.wanted(world.app, session, lane=None, state=None, who=person.id)
        return found.newest(session, query, 10)[0]

    return lambda: reading(world, look)


def forget(world: World) -> Act:
    """Forget somebody."""
    customer = some(world, Customer)
    return lambda: writing(world, lambda session: _forgotten(world, session, customer))


def _forgotten(world: World, session: Session, customer: Customer) -> Customer:
    leave.forget(world.app, session, customer)
    return customer


def visit(world: World) -> Act:
    """Open a promoter's link."""
    with world.app.store.write() as session:
        referral = session.exec(select(Referral).limit(1)).one()
        referral.link_hash, referral.expires_at = hash_of("a friend's link"), FAR

    def open_link(session: Session) -> Referral:
        referral = refer.find(world.app, session, "a friend's link")
        assert referral is not None
        refer.visit(world.app, session, referral)
        return referral

    return lambda: writing(world, open_link)


def let_go(world: World) -> Act:
    """Let go of what is old."""
    world.clock.forward(days=600)
    parts = [keep.PARTS[what] for what in ("mail events", "effects")]
    return lambda: [writing(world, partial(part, world.app)) for part in parts]


def reading(world: World, work: Callable[[Session], object]) -> object:
    """Do it in a session that reads."""
    with world.app.store.read() as session:
        return work(session)


def writing(world: World, work: Callable[[Session], object]) -> object:
    """Do it in a session that writes."""
    with world.app.store.write() as session:
        return work(session)


ALL_DAY: Final[Sequence[Work]] = (
    deliver,
    free_claims,
    settle,
    choose,
    show_page,
    keep_answers,
    close,
    lapse,
    take_events,
    pull,
    look_up,
    forget,
    visit,
    let_go,
)


@pytest.mark.parametrize("work", ALL_DAY, ids=lambda work: work.__name__)
def test_what_runs_all_day_walks_through_no_big_table(crowd: World, work: Work) -> None:
    """Each statement of the real functions, as the database means to run it."""
    act = work(crowd)

    with recorded(crowd.app.store) as statements:
        assert act()

    assert walks(crowd.app.store, statements) == []


def test_a_walk_is_noticed(crowd: World) -> None:
    """So that the others say something."""
    with recorded(crowd.app.store) as statements, crowd.app.store.read() as session:
        session.connection().execute(text("SELECT count(*) FROM answer WHERE comment = ''"))

    assert len(walks(crowd.app.store, statements)) == 1
