"""`npsloop ask`: choose whose turn it is, and send them the question."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, AsJson, ConfigPath, DryRun, Yes

if TYPE_CHECKING:
    from rich.console import Console

    from loop.app import App
    from loop.choose import Choice
    from loop.cli.due import Delivery

LETTERS: Final = "mail.letters"


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Whom a question would go to."""

    owed: "list[str]"
    """Effects that are due already."""
    choices: "list[Choice]"
    accounts: int
    sender: str
    sender_name: str
    subject: str
    """Of the first mail."""

    @property
    def mails(self) -> int:
        """Return how many mails go out."""
        return len(self.owed) + sum(len(choice.chosen) for choice in self.choices)

    def told(self) -> dict[str, Any]:
        """Return the plan as JSON has it."""
        return {
            "mails": self.mails,
            "owed_before": len(self.owed),
            "chosen": {choice.program: len(choice.chosen) for choice in self.choices},
            "accounts": self.accounts,
            "sender": self.sender,
            "sender_name": self.sender_name,
            "subject": self.subject,
        }


def ask(
    config: ConfigPath = CONFIG_PATH,
    *,
    limit: Annotated[int | None, typer.Option(min=1, help="Send at most so many mails.")] = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Choose whose turn it is, and send them the question."""
    from loop.cli.lock import shared  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as app, shared(app.store):
        plan = _planned(app, limit)
        _draw_plan(plan)
        sent: Delivery | None = None
        if plan.mails and not dry_run:
            say.agree(f"Send {say.many(plan.mails, 'mail')}?", yes=yes)
            sent = _sent(app, limit, plan.mails)
    result = dict(sent.states) if sent else {}
    data = {"version": say.VERSION, "dry_run": dry_run, "plan": plan.told(), "result": result}
    say.out(data, as_json=as_json, view=lambda to: _draw_sent(to, sent))
    if dry_run:
        say.tell("nothing was changed")
    say.end([sent.problem] if sent and sent.problem else [])


def _planned(app: "App", limit: int | None) -> Plan:
    from loop import choose  # noqa: PLC0415 - quick start-up
    from loop.cli.due import due  # noqa: PLC0415 - quick start-up
    from loop.states import Kind  # noqa: PLC0415 - quick start-up

    owed = due(app, LETTERS, Kind.ASK)[:limit]
    choices = list(choose.customers(_limited(app, limit, len(owed)), dry_run=True))
    sender = app.config.sender
    return Plan(
        owed=owed,
        choices=choices,
        accounts=len(_accounts(app, owed, choices)),
        sender=sender.email,
        sender_name=sender.name or app.config.company.name,
        subject=_subject(app, owed, choices),
    )


def _limited(app: "App", limit: int | None, owed: int) -> "App":
    """Return the app with no more room today than the limit leaves."""
    from loop.choose import people  # noqa: PLC0415 - quick start-up

    if limit is None:
        return app
    ask_, left = app.config.ask, people.room(app).today
    per_day_max = ask_.per_day_max - max(left - (limit - owed), 0)
    settings = ask_.model_copy(update={"per_day_max": per_day_max})
    return replace(app, config=app.config.model_copy(update={"ask": settings}))


def _accounts(app: "App", owed: list[str], choices: "list[Choice]") -> set[str]:
    from sqlalchemy import select  # noqa: PLC0415 - quick start-up
    from sqlmodel import col  # noqa: PLC0415 - quick start-up

    from loop.models import Effect, Survey  # noqa: PLC0415 - quick start-up
    from loop.store import chunks  # noqa: PLC0415 - quick start-up

    found = {person.account_id for choice in choices for person in choice.chosen}
    with app.store.read() as session:
        for some in chunks(owed):
            query = select(col(Survey.account_id)).join(
                Effect, col(Effect.survey_id) == col(Survey.id)
            )
            rows = session.connection().execute(query.where(col(Effect.id).in_(some)))
            found.update(rows.scalars())
    return found - {""}


def _subject(app: "App", owed: list[str], choices: "list[Choice]") -> str:
    """Return the subject of the first mail, rendered as it will be."""
    from loop import ask as stage  # noqa: PLC0415 - quick start-up
    from loop.cli.scene import scene  # noqa: PLC0415 - quick start-up
    from loop.models import Effect  # noqa: PLC0415 - quick start-up

    if owed:
        with app.store.read() as session:
            made = stage.request(app, session, session.get_one(Effect, owed[0]))
            return getattr(made, "subject", "")
    for choice in choices:
        for person in choice.chosen[:1]:
            with scene(app, customer_id=person.customer_id, program=choice.program) as played:
                return played.mail("ask").subject
    return ""


def _sent(app: "App", limit: int | None, mails: int) -> "Delivery":
    """Choose in earnest, and send."""
    from loop import choose  # noqa: PLC0415 - quick start-up
    from loop.cli.due import deliver, due  # noqa: PLC0415 - quick start-up
    from loop.cli.progress import progress  # noqa: PLC0415 - quick start-up
    from loop.states import Kind  # noqa: PLC0415 - quick start-up

    owed = len(due(app, LETTERS, Kind.ASK)[:limit])
    for _ in choose.customers(_limited(app, limit, owed)):
        pass
    ids = due(app, LETTERS, Kind.ASK)[:limit]
    with progress("ask", mails) as tick:
        return deliver(app, LETTERS, ids, tick, Kind.ASK)


def _draw_plan(plan: Plan) -> None:
    if not plan.mails:
        say.tell("it is nobody's turn: npsloop choose --dry-run tells why")
        return
    for choice in plan.choices:
        say.tell(f"{choice.program}: {len(choice.chosen)} chosen")
    if plan.owed:
        say.tell(f"owed from before: {len(plan.owed)}")
    mails, accounts = say.many(plan.mails, "mail"), say.many(plan.accounts, "account")
    say.tell(f"{mails} to {accounts}, from {plan.sender_name}")
    say.tell(f"sender: {plan.sender}; the first mail's subject: {plan.subject}")


def _draw_sent(to: "Console", sent: "Delivery | None") -> None:
    from loop.cli.stages import draw_deliveries  # noqa: PLC0415 - beside its only use

    draw_deliveries(to, [sent] if sent else [])
