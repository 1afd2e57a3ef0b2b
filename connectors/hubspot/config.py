"""What can be set about HubSpot."""

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator

from connectors.settings import Settings


class Config(Settings):
    """A HubSpot account. The names are those of properties, as HubSpot's API has them."""

    type: Literal["hubspot"]
    """`hubspot`."""
    access_token: SecretStr = SecretStr("")
    """A service key, or the access token of a private app."""
    access_token_file: Path | None = None
    """A file that holds the access token."""
    portal_id: str = Field(default="", pattern=r"^\d*$")
    """The account's number, for links to records; looked up where empty."""
    origin: str = Field(default="", pattern=r"^(https?://[^/]+)?$")
    """Another address than HubSpot's, for the sandbox and tests: `http://127.0.0.1:8100`."""
    calls_per_10_s: int = Field(default=190, ge=1)
    """How many calls we make in ten seconds: 100 with Free and Starter."""
    searches_per_s: int = Field(default=5, ge=1)
    """How many searches we make in a second."""

    product_property: str = ""
    """The contact property that names the customer's product; empty for none."""
    locale_property: str = "hs_language"
    """The contact property that names the customer's language."""
    nps_score: str = "nps_score"
    """Number, contact: the newest score."""
    nps_group: str = "nps_group"
    """Drop-down (promoter, passive, detractor) or text, contact."""
    nps_comment: str = "nps_comment"
    """Text of several lines, contact: the newest comment."""
    nps_answered_at: str = "nps_answered_at"
    """Date and time, contact: when the newest answer came."""
    nps_surveys: str = "nps_surveys"
    """Number, contact: how often this customer has answered."""
    nps_factor: str = "nps_factor"
    """Number, contact: 100, 0 or -100, whose average in a report is the NPS."""
    company_nps: str = "nps"
    """Number, company: the NPS of its people's newest answers."""
    company_nps_answers: str = "nps_answers"
    """Number, company: how many answers that is."""
    company_nps_answered_at: str = "nps_answered_at"
    """Date and time, company: when the newest answer came."""
    lead_status: str = "NEW"
    """The lead status (`hs_lead_status`) of a friend who signed up."""
    nps_referred_by: str = "nps_referred_by"
    """Text, contact: the promoter through whom a lead came."""
    nps_key: str = "nps_key"
    """Text, contact: our key of a lead."""

    @model_validator(mode="after")
    def _has_a_token(self) -> Self:
        if not self.access_token.get_secret_value().strip():
            message = "give access_token or access_token_file"
            raise ValueError(message)
        return self
