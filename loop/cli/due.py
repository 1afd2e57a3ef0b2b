"""What is due in each lane, and how it ended: the plan and the result of a delivery."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from sqlalchemy import func, select
from sqlmodel import col

from connectors.errors import ConnectorError
from loop.app import App
from loop.cli.progress import Tick
from loop.models import Effect
from loop.outbox.deliver import batches
from loop.schedule import HANDLERS
from loop.states import EffectState, Kind
from loop.store import chunks


@dataclass(kw_only=True)
class Delivery:
    """What was due in a lane, and how it ended."""

    lane: str
    states: Counter[str] = field(default_factory=Counter)
    """What the planned effects are now; `due` are those that were put off."""
    problem: ConnectorError | None = None
    """Why the lane stopped."""


def due(app: App, lane: str, only: Kind | None = None) -> list[str]:
    """Return the ids of the effects that are due in a lane, those due first in front."""
    query = (
        select(col(Effect.id))
        .where(col(Effect.lane) == lane, col(Effect.state) == EffectState.DUE)
        .where(col(Effect.due_at) <= app.now())
        .order_by(col(Effect.due_at), col(Effect.account_id), col(Effect.id))
    )
    if only is not None:
        query = query.where(col(Effect.kind) == only)
    with app.store.read() as session:
        return list(session.connection().execute(query).scalars())


def waiting(app: App) -> dict[str, int]:
    """Return how many effects of each lane are due later."""
    query = (
        select(col(Effect.lane), func.count())
        .where(col(Effect.state) == EffectState.DUE, col(Effect.due_at) > app.now())
        .group_by(col(Effect.lane))
    )
    with app.store.read() as session:
        return dict(session.connection().execute(query).all())


def deliver(
    app: App, lane: str, planned: Sequence[str], tick: Tick, only: Kind | None = None
) -> Delivery:
    """Deliver a lane, and tell how the planned effects ended."""
    delivery = Delivery(lane=lane)
    for batch in batches(app, lane, HANDLERS, only=only, at_most=len(planned)):
        tick(batch.settled)
        delivery.problem = batch.stopped
    with app.store.read() as session:
        for some in chunks(planned):
            query = (
                select(col(Effect.state), func.count())
                .where(col(Effect.id).in_(some))
                .group_by(col(Effect.state))
            )
            for state, count in session.connection().execute(query):
                delivery.states[str(state)] += count
    return delivery
