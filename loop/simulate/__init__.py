"""Whatever can go wrong, in one thread, from one seed: the same number fails the same way again.

The stages, the outbox and the database are the real ones; the services, the clock and the people
are played. `troubles` draws what goes wrong how often in a run, `world` holds the processes and
decides at each commit and call whether one of them dies, stalls, or another acts meanwhile;
`database` and `outside` are where that happens; `people`, `operators` and `stages` are what can
be done next; `run` does it and asks after every step whether our `promises` are kept.
"""

from loop.simulate.database import Database, open_database
from loop.simulate.run import Verdict, run

__all__ = ["Database", "Verdict", "open_database", "run"]
