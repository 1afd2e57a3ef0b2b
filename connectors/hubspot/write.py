"""What goes out besides tasks: scores, roll-ups, the history of answers, and leads."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from connectors.hubspot.api import OBJECTS, Api
from connectors.hubspot.config import Config
from connectors.hubspot.kept import BODY, Kept, keep_each
from connectors.hubspot.shapes import Plain
from connectors.hubspot.texts import plain, rich
from connectors.hubspot.told import existing_id
from connectors.ports import AccountScore, History, Lead, Outcome, Score

NOTE: Final = BODY["notes"]


class Write:
    """Writes to the account."""

    def __init__(self, api: Api, config: Config) -> None:
        self.api = api
        self.config = config

    def scores(self, scores: Sequence[Score]) -> list[Outcome]:
        """Write the scores onto the contacts; the last of two for one contact counts."""
        changes = {score.contact_id: self._score(score) for score in scores}
        outcomes = self._update("contacts", changes)
        return [outcomes[score.contact_id] for score in scores]

    def accounts(self, scores: Sequence[AccountScore]) -> list[Outcome]:
        """Write the roll-ups onto the companies."""
        names = self.config
        changes = {
            score.account_id: {
                names.company_nps: f"{score.nps:g}",
                names.company_nps_answers: str(score.answers),
                names.company_nps_answered_at: _milliseconds(score.answered_at),
            }
            for score in scores
        }
        outcomes = self._update("companies", changes)
        return [outcomes[score.account_id] for score in scores]

    def history(self, answers: Sequence[History]) -> list[Outcome]:
        """Keep a note of each answer on its contact and company."""
        notes = [
            Kept(answer.key, answer.contact_id, answer.account_id, _note(answer))
            for answer in answers
        ]
        return keep_each(self.api, "notes", notes, _new_words)

    def leads(self, leads: Sequence[Lead]) -> list[Outcome]:
        """Create a contact for each friend, and keep what they agreed to in a note.

        A contact that is there already keeps its names and its first promoter.
        """
        wanted = {lead.email.lower(): lead for lead in reversed(leads)}
        inputs = {
            address: {"properties": self._lead(lead), "associations": []}
            for address, lead in wanted.items()
        }
        put = self.api.put_each(f"{OBJECTS}/contacts/batch/create", inputs)
        there = {a: id_ for a, told in put.errors.items() if (id_ := existing_id(told))}
        outcomes = put.outcomes | self._name_promoters(there, wanted)
        outcomes |= self._consents(wanted, outcomes)
        return [outcomes[lead.email.lower()] for lead in leads]

    def _update(self, type_: str, changes: Mapping[str, Mapping[str, str]]) -> dict[str, Outcome]:
        inputs = {id_: {"id": id_, "properties": dict(own)} for id_, own in changes.items()}
        return self.api.put_each(f"{OBJECTS}/{type_}/batch/update", inputs).outcomes

    def _score(self, score: Score) -> dict[str, str]:
        names = self.config
        return {
            names.nps_score: str(score.score),
            names.nps_group: score.group,
            names.nps_comment: plain(score.comment),
            names.nps_answered_at: _milliseconds(score.answered_at),
            names.nps_surveys: str(score.surveys),
            names.nps_factor: str(score.factor),
        }

    def _lead(self, lead: Lead) -> dict[str, str]:
        found = {
            "email": lead.email,
            "firstname": lead.first_name,
            "lastname": lead.last_name,
            "company": lead.company,
            "hs_lead_status": self.config.lead_status,
            "hubspot_owner_id": lead.owner_id,
        }
        return {name: value for name, value in found.items() if value} | self._promoter(lead)

    def _promoter(self, lead: Lead) -> dict[str, str]:
        return {
            self.config.nps_referred_by: f"{lead.promoter_name} ({lead.promoter_contact_id})",
            self.config.nps_key: lead.key,
        }

    def _name_promoters(
        self, there: Mapping[str, str], wanted: Mapping[str, Lead]
    ) -> dict[str, Outcome]:
        """Name the promoter on contacts that were there before, unless one is named."""
        if not there:
            return {}
        answer = self.api.read_each(
            f"{OBJECTS}/contacts", list(there.values()), [self.config.nps_key]
        )
        named = {row.id for row in answer.results if row.text(self.config.nps_key)}
        free = {id_: self._promoter(wanted[a]) for a, id_ in there.items() if id_ not in named}
        outcomes = self._update("contacts", free)
        return {address: outcomes.get(id_, Outcome(id_)) for address, id_ in there.items()}

    def _consents(
        self, wanted: Mapping[str, Lead], outcomes: Mapping[str, Outcome]
    ) -> dict[str, Outcome]:
        """Keep the consents, and return the leads of whom that failed."""
        notes = {
            address: Kept(f"lead-{lead.key}", outcomes[address].remote_id, "", _consent(lead))
            for address, lead in wanted.items()
            if outcomes[address].error is None
        }
        kept = keep_each(self.api, "notes", list(notes.values()), _new_words) if notes else []
        return {
            address: outcome
            for address, outcome in zip(notes, kept, strict=True)
            if outcome.error is not None
        }


def _note(answer: History) -> dict[str, str]:
    words = f"NPS {answer.score} ({answer.group}), program {answer.program}\n\n{answer.comment}"
    return {NOTE: rich(words, answer.key), "hs_timestamp": _milliseconds(answer.answered_at)}


def _consent(lead: Lead) -> dict[str, str]:
    words = f"Came through {lead.promoter_name}'s referral link and agreed: {lead.consent}"
    return {NOTE: rich(words, f"lead-{lead.key}"), "hs_timestamp": _milliseconds(datetime.now(UTC))}


def _new_words(there: Plain, item: Kept) -> dict[str, str]:
    """Return what to change on a note: its words, where they are others."""
    body = item.properties[NOTE]
    return {} if there.text(NOTE) == body else {NOTE: body}


def _milliseconds(at: datetime) -> str:
    return str(round(at.timestamp() * 1000))
