"""The page that a task in the CRM links to: one answer, for the company's own people.

The link is as hard to guess as a customer's; the page names nobody.
"""

import hmac

from sqlalchemy import select
from sqlmodel import Session, col
from starlette.requests import Request
from starlette.responses import Response

from loop.app import App, Purpose
from loop.models import Answer, Case, Revision, Survey
from loop.states import CaseState, Group
from loop.web.pages import app_of, gone, in_words, page


def show(request: Request) -> Response:
    """Show an answer, what was said before, and where its case is."""
    app, survey_id = app_of(request), request.path_params["survey_id"]
    expected = app.keys.token(Purpose.SHOW, survey_id)
    if not hmac.compare_digest(expected.encode(), request.path_params["token"].encode()):
        return gone(app)
    with app.store.read() as session:
        survey, answer = session.get(Survey, survey_id), session.get(Answer, survey_id)
        if survey is None or answer is None:
            return gone(app)
        return page(app, "answer", _words(app, session, survey, answer))


def _words(app: App, session: Session, survey: Survey, answer: Answer) -> dict[str, object]:
    crm, _, remote_id = survey.contact_id.partition(":")
    changed = answer.changed_at != answer.answered_at
    return {
        "score": answer.score,
        "group": str(Group.of(answer.score)),
        "comment": answer.comment,
        "program": survey.program,
        "product": survey.snapshot["product"],
        "asked_on": in_words(survey.asked_at or survey.chosen_at),
        "answered_on": in_words(answer.answered_at),
        "changed_on": in_words(answer.changed_at) if changed else "",
        "earlier": _earlier(session, survey.id),
        "record_url": app.crms[crm].link("contact", remote_id) if crm in app.crms else "",
        **_case(session, survey.id),
    }


def _earlier(session: Session, survey_id: str) -> list[dict[str, object]]:
    query = select(Revision).where(col(Revision.survey_id) == survey_id).order_by(col(Revision.at))
    *before, _ = session.scalars(query).all()
    return [{"score": one.score, "comment": one.comment, "on": in_words(one.at)} for one in before]


def _case(session: Session, survey_id: str) -> dict[str, object]:
    case = session.get(Case, survey_id)
    if case is None:
        return {"case": "", "case_on": ""}
    at = case.opened_at if case.state is CaseState.OPEN else case.closed_at or case.opened_at
    return {"case": str(case.state), "case_on": in_words(at)}
