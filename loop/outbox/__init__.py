"""Delivers effects: claim, call, record; nothing lost, nothing doubled.

A stage writes what it owes in the transaction of its move (`owe`). A lane is then drained batch
by batch: the batch is claimed in a short transaction of its own (`claim`), the service is called
outside any transaction, and each effect's own outcome is recorded (`record`). Where nobody can
know whether a mail was accepted, its effect is *unknown* until evidence settles it.
"""

from loop.outbox.deliver import Handler, Skip, drain
from loop.outbox.evidence import settle_by_evidence, settle_by_look_up
from loop.outbox.owe import Owed, owe
from loop.outbox.record import proven, reap, settle_unknown

__all__ = [
    "Handler",
    "Owed",
    "Skip",
    "drain",
    "owe",
    "proven",
    "reap",
    "settle_by_evidence",
    "settle_by_look_up",
    "settle_unknown",
]
