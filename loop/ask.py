"""Stage 3, chosen -> asked: the question goes out."""

from typing import Final

from sqlmodel import Session

from connectors.errors import ConnectorError
from connectors.ports import Mail
from loop import moves
from loop.app import App, Purpose
from loop.correspondence import Occasion, mail
from loop.models import Effect, Survey
from loop.outbox import Handler, Skip
from loop.states import OPEN, EffectState, Stage

SCORES: Final = range(11)


def request(app: App, session: Session, effect: Effect) -> Mail | Skip:
    """Return the mail that asks, unless the question no longer stands."""
    survey = session.get_one(Survey, effect.survey_id)
    if survey.stage not in OPEN:
        return Skip(EffectState.EXPIRED, f"the survey is {survey.stage}")
    return mail(app, session, effect, Occasion("ask", survey, words(app, survey)))


def words(app: App, survey: Survey) -> dict[str, object]:
    """Return what the mail says beside names and address."""
    link = app.link(Purpose.ANSWER, survey.id)
    return {
        "answer_url": link,
        "scores": [{"n": n, "url": f"{link}?score={n}"} for n in SCORES],
    }


def asked(app: App, session: Session, effect: Effect) -> None:
    """Note that the mailer has it."""
    survey = session.get_one(Survey, effect.survey_id)
    if survey.asked_at is None:
        survey.asked_at = app.now()
    if survey.stage is Stage.CHOSEN:
        moves.survey(session, survey, Stage.ASKED, app.now())


def refused(app: App, session: Session, effect: Effect, error: ConnectorError) -> None:
    """Give up: the mailer will never take it."""
    survey = session.get_one(Survey, effect.survey_id)
    if survey.stage is Stage.CHOSEN:
        moves.survey(session, survey, Stage.REFUSED, app.now(), error.problem)


HANDLER: Final = Handler(request=request, done=asked, refused=refused)
