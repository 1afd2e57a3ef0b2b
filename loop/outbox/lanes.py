"""What a lane is: the effects of one service and one verb, in the order in which they are due.

How many go into a call, and how many calls are made at once, is the connector's to say. In most
lanes several batches go out at once, in one process and in many. A CRM that locks an account's
rows while it saves one of them (Salesforce) takes one call at a time, over all lanes and all
processes: so effects of one account never meet in two calls. Its open call has the service's name,
which no second open call can have: the database sees to it, without a lock that outlives a
transaction.
"""

from connectors.ports import Crm, Mailer
from loop.app import App
from loop.states import MAIL


def service(lane: str) -> str:
    """Return the service of a lane: `mail`, or a CRM by its name."""
    return lane.partition(".")[0]


def carrier(app: App, lane: str) -> Crm | Mailer | None:
    """Return who carries a lane; None where the configuration has its service no more."""
    name = service(lane)
    return app.mailer if name == MAIL else app.crms.get(name)


def alone(app: App, lane: str) -> str | None:
    """Return whose only call a call of this lane is; None where others may run beside it."""
    carries = carrier(app, lane)
    return service(lane) if carries is not None and carries.at_once == 1 else None
