"""`npsloop customer`: everything we know of one person, and how to forget it."""

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from loop.cli import say
from loop.cli.say import CONFIG_PATH, AsJson, ConfigPath, DryRun, Yes

if TYPE_CHECKING:
    from rich.console import Console

app = typer.Typer(
    help="Show everything that we know of one person, or forget it.", no_args_is_help=True
)

MINUTE: Final = len("2030-01-07T09:00")
Who = Annotated[str, typer.Argument(help="E-mail address, customer id or record (crm:id).")]


@app.command()
def show(who: Who, config: ConfigPath = CONFIG_PATH, *, as_json: AsJson = False) -> None:
    """Show everything that we know of a person, and why they were or were not asked."""
    from loop.cli import known, people  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as loop, loop.store.read() as session:
        customer = people.find(loop, session, who)
        data = {"version": say.VERSION, **known.everything(session, customer, loop.now())}
    say.out(data, as_json=as_json, view=lambda to: _draw(to, data))


@app.command()
def forget(
    who: Who,
    config: ConfigPath = CONFIG_PATH,
    *,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Erase what we know of a person, for good; they are never written to again.

    Scores stay without a name or a comment, so that figures remain true. Their records in the
    CRMs are yours to erase.
    """
    from loop import leave  # noqa: PLC0415 - quick start-up
    from loop.cli import known, people  # noqa: PLC0415 - quick start-up
    from loop.cli.opened import opened  # noqa: PLC0415 - quick start-up

    with opened(config) as loop:
        with loop.store.read() as session:
            customer = people.find(loop, session, who)
            plan = known.counted(session, customer)
        _draw_plan(plan)
        receipt: dict[str, Any] = {}
        if not dry_run:
            say.agree("Forget this person, for good?", yes=yes)
            with loop.store.write() as session:
                customer = people.find(loop, session, customer.id)
                leave.forget(loop, session, customer)
                receipt = {"customer": customer.id, "forgotten_at": loop.now().isoformat(), **plan}
    data = {"version": say.VERSION, "dry_run": dry_run, "plan": plan, "receipt": receipt}
    say.out(data, as_json=as_json, view=lambda to: _draw_receipt(to, receipt))
    if dry_run:
        say.tell("nothing was changed")
    elif plan["records"]:
        records = ", ".join(plan["records"])
        say.tell(f"next: erase these records too, or the next pull brings them back: {records}")


def _draw(to: "Console", data: dict[str, Any]) -> None:
    mail = data["email"] or "no address"
    state = f"suppressed: {data['suppressed']['reason']}" if data["suppressed"] else "reachable"
    to.print(say.plain(f"{mail}  ({data['id']}; {data['forgotten_at'] or state})", "bold"))
    for record in data["records"]:
        gone = f", gone since {record['gone_at'][:MINUTE]}" if record["gone_at"] else ""
        opted = ", opted out" if record["opted_out"] else ""
        company = f", {record['account']}" if record["account"] else ""
        to.print(say.plain(f"  record {record['id']}: {record['name']}{company}{opted}{gone}"))
    for survey in data["surveys"]:
        to.print(say.plain(_survey_line(survey)))
    for reason in data["ledger"]:
        again = f", due {reason['next_at'][:MINUTE]}" if reason["next_at"] else ""
        text = f"  {reason['program']}, {reason['at'][:MINUTE]}: {reason['reason']}{again}"
        to.print(say.plain(text))
    for effect in data["effects"]:
        problem = f": {effect['problem']}" if effect["problem"] else ""
        to.print(
            say.plain(f"  {effect['kind']} {effect['state']}{problem}  ({effect['id'][-12:]})")
        )


def _survey_line(survey: dict[str, Any]) -> str:
    line = f"  survey {survey['program']}, chosen {survey['chosen_at'][:MINUTE]}: {survey['stage']}"
    if survey["answer"] is None:
        return line
    comment = " ".join(str(survey["answer"]["comment"]).split())
    return f"{line}, score {survey['answer']['score']}" + (f": {comment}" if comment else "")


def _draw_plan(plan: dict[str, Any]) -> None:
    counts = ", ".join(f"{n} {what}" for what, n in plan.items() if isinstance(n, int))
    say.tell(f"{say.many(len(plan['records']), 'record')}, {counts}")


def _draw_receipt(to: "Console", receipt: dict[str, Any]) -> None:
    if receipt:
        at = receipt["forgotten_at"][:MINUTE]
        to.print(say.plain(f"forgotten at {at} UTC: customer {receipt['customer']}"))
