"""What `npsloop doctor` asks SendGrid, mailing nobody."""

from collections.abc import Iterator
from typing import Final

from connectors.errors import ConnectorError, Unauthorized
from connectors.ports import Check
from connectors.sendgrid.config import SendGridConfig
from connectors.sendgrid.logs import Account

NEW_KEY: Final = "make an API key with the right Mail Send (Settings, API Keys) and set api_key"
NEW_SENDER: Final = "authenticate your domain at SendGrid (Settings, Sender Authentication)"
NEW_WEBHOOK_KEY: Final = (
    "switch on Signed Event Webhook at SendGrid (Settings, Mail Settings, Event Webhook) and set "
    "webhook_public_key to the key shown there"
)
UNSEEN: Final = "the key may not look, which is no fault"


def checks(config: SendGridConfig, account: Account) -> Iterator[Check]:
    """Look at the key; where it is good, at its rights, the sender and the webhook's key."""
    if not config.api_key.get_secret_value():
        found = "none is set"
        yield Check(name="key", passed=False, found=found, remedy=NEW_KEY, unauthorized=True)
        return
    try:
        scopes = set(account.get("scopes")["scopes"])
    except (ConnectorError, LookupError, TypeError) as error:
        unknown = isinstance(error, Unauthorized)
        remedy = NEW_KEY if unknown else "try again in a minute"
        found = str(error)
        yield Check(name="key", passed=False, found=found, remedy=remedy, unauthorized=unknown)
        return
    yield Check(name="key", passed=True, found="SendGrid knows it")
    may_send = "mail.send" in scopes
    found = "it may send mail" if may_send else "the right mail.send is missing"
    yield Check(name="rights", passed=may_send, found=found, remedy="" if may_send else NEW_KEY)
    yield _sender(account)
    yield _webhook(config, account)
    yield _logs(account)


def _sender(account: Account) -> Check:
    """Look for any address or domain that may be sent from."""
    try:
        senders = account.get("verified_senders").get("results", [])
        domains = account.get("whitelabel/domains")
        names = [each["from_email"] for each in senders if each.get("verified")]
        names += [each["domain"] for each in domains if each.get("valid")]
    except Unauthorized:
        return Check(name="sender", passed=True, found=UNSEEN)
    except (ConnectorError, LookupError, TypeError, AttributeError) as error:
        return Check(name="sender", passed=False, found=str(error), remedy="try again in a minute")
    found = f"verified: {', '.join(names)}" if names else "none is verified"
    return Check(name="sender", passed=bool(names), found=found, remedy="" if names else NEW_SENDER)


def _webhook(config: SendGridConfig, account: Account) -> Check:
    """Hold our key for the webhook against those that SendGrid signs with."""
    ours = set(config.webhook_public_key)
    if not ours:
        return Check(name="webhook key", passed=False, found="none is set", remedy=NEW_WEBHOOK_KEY)
    try:
        webhooks = account.get("user/webhooks/event/settings/all").get("webhooks") or []
        theirs = {each.get("public_key") for each in webhooks if each.get("enabled")}
    except (ConnectorError, LookupError, TypeError, AttributeError):
        return Check(name="webhook key", passed=True, found=f"set; {UNSEEN}")
    if theirs & ours or not theirs:
        found = "SendGrid signs with it" if theirs else "set; no webhook is enabled yet"
        return Check(name="webhook key", passed=True, found=found)
    found = "SendGrid signs with another key"
    return Check(name="webhook key", passed=False, found=found, remedy=NEW_WEBHOOK_KEY)


def _logs(account: Account) -> Check:
    """Look whether doubtful mails can be looked up; a loop without that is a good one, too."""
    try:
        account.post("logs", {"limit": 1})
    except Unauthorized:
        found = "the key may not read the Email Logs: doubtful mails are settled by events alone"
        return Check(name="look-ups", passed=True, found=found)
    except ConnectorError as error:
        return Check(name="look-ups", passed=True, found=str(error))
    return Check(name="look-ups", passed=True, found="doubtful mails are found in the Email Logs")
