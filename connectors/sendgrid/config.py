"""What can be set about SendGrid."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator

from connectors.settings import Settings
from connectors.transport import POOL


def _several(given: Any) -> Any:  # noqa: ANN401 - whatever the YAML holds
    """Take one text for a list of one."""
    return [given] if isinstance(given, str) else given


class SendGridConfig(Settings):
    """Settings of SendGrid."""

    type: Literal["sendgrid"] = "sendgrid"
    api_key: SecretStr = SecretStr("")
    """An API key with the right `mail.send` (Settings, API Keys)."""
    api_key_file: str = ""
    """A file that holds the key, instead."""
    webhook_public_key: Annotated[tuple[str, ...], BeforeValidator(_several)] = ()
    """The verification key of the event webhook (Settings, Mail Settings, Event Webhook).

    Several while you change over to another. Without one, no event is believed.
    """
    webhook_window_s: int = Field(default=600, ge=30, le=90_000)
    """How old or how early a signed post may be, in seconds."""
    region: Literal["global", "eu"] = "global"
    """Where the account's mail is handled: `eu` for a subuser of the EU region."""
    origin: str = Field(default="", pattern=r"^(https?://[^/\s]+)?$")
    """Another address than SendGrid's own, such as the sandbox's."""
    connections: int = Field(default=8, ge=1, le=POOL)
    """How many mails are on their way at the same time."""

    look_ups_per_minute: int = Field(default=6, ge=1, le=600)
    """How often we ask the Email Logs what became of doubtful mails.

    Their own limit is not published; this is the one of the Email Activity before them.
    """

    @field_validator("webhook_public_key")
    @classmethod
    def _are_keys(cls, given: Sequence[str]) -> Sequence[str]:
        from connectors.sendgrid.webhook import key_from  # noqa: PLC0415 - it takes 0.1 s

        for key in given:
            key_from(key)
        return given

    @model_validator(mode="after")
    def _has_key(self) -> Self:
        key = self.api_key.get_secret_value()
        if key and not (key.isascii() and key.isprintable() and " " not in key):
            message = "api_key: that is no key: it holds blanks or other marks"
            raise ValueError(message)
        return self
