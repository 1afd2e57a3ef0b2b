"""What can be set for Salesforce."""

from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, SecretStr, StringConstraints, model_validator

from connectors.settings import Settings

RETIRED: Final = {"password", "password_file", "security_token", "security_token_file"}
SUFFIX: Final = ".my.salesforce.com"
FieldName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z]\w*$")]
OptionalFieldName = Annotated[str, StringConstraints(pattern=r"^([A-Za-z]\w*)?$")]


class Config(Settings):
    """A Salesforce org, and the names of the fields that npsloop reads and writes there.

    One of three ways in: `client_id` and `client_secret` (client credentials flow of an External
    Client App); `client_id`, `username` and `private_key_file` (JWT bearer flow); or
    `access_token` and `instance_url`.
    """

    type: Literal["salesforce"] = "salesforce"

    my_domain: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9.-]*$|^$")] = ""
    """The org's My Domain: `acme` where it is reached at https://acme.my.salesforce.com."""
    client_id: str = ""
    """The consumer key of the External Client App."""
    client_secret: SecretStr = SecretStr("")
    """Its consumer secret, for the client credentials flow."""
    client_secret_file: Path | None = None
    """A file that holds the consumer secret."""
    username: str = ""
    """The user name that npsloop acts as, for the JWT bearer flow."""
    private_key: SecretStr = SecretStr("")
    """The private key (PEM) whose certificate the app has, for the JWT bearer flow."""
    private_key_file: Path | None = None
    """A file that holds the private key."""
    access_token: SecretStr = SecretStr("")
    """A session begun elsewhere. It ends by itself and cannot be renewed: for trials only."""
    access_token_file: Path | None = None
    """A file that holds the access token."""
    instance_url: str = ""
    """Where the access token is good: https://acme.my.salesforce.com."""
    origin: str = ""
    """Send everything to this address instead (http://127.0.0.1:8100): for the sandbox."""

    api_share: Annotated[float, Field(gt=0, le=1)] = 0.2
    """The share of the org's daily API calls that is ours: the rest is for its other programs."""

    product_field: OptionalFieldName = ""
    """The field of Contact that names the product, where there is one."""
    locale_field: OptionalFieldName = ""
    """The field of Contact that names the language (`de`, `de_AT`), where there is one."""

    score_field: FieldName = "NPS_Score__c"
    """The newest score, on Contact and on each kept answer: Number(2, 0)."""
    group_field: FieldName = "NPS_Group__c"
    """Promoter, passive or detractor, on Contact and on each kept answer: Text or Picklist."""
    comment_field: FieldName = "NPS_Comment__c"
    """The comment, on Contact and on each kept answer: Long Text Area."""
    answered_at_field: FieldName = "NPS_Answered_At__c"
    """When the answer was given, on Contact and on each kept answer: Date/Time."""
    surveys_field: FieldName = "NPS_Surveys__c"
    """How often the customer has answered, on Contact: Number(5, 0)."""
    factor_field: FieldName = "NPS_Factor__c"
    """100, 0 or -100, on Contact: Number(3, 0). Its average in a report is the NPS."""
    account_nps_field: FieldName = "NPS__c"
    """The NPS of the account, on Account: Number(4, 1)."""
    account_answers_field: FieldName = "NPS_Answers__c"
    """How many answers it is made of, on Account: Number(8, 0)."""
    account_answered_at_field: FieldName = "NPS_Answered_At__c"
    """When the newest of them was given, on Account: Date/Time."""
    key_field: FieldName = "NPS_Key__c"
    """Our key, on Activity (so Task has it), Lead and each kept answer: Text, External ID."""
    promoter_field: FieldName = "NPS_Promoter__c"
    """Who referred a lead, on Lead: Lookup(Contact)."""
    answer_object: FieldName = "NPS_Answer__c"
    """The custom object that keeps one record for each answer."""
    answer_contact_field: FieldName = "NPS_Contact__c"
    """Who gave the answer, on each kept answer: Lookup(Contact)."""
    answer_account_field: FieldName = "NPS_Account__c"
    """Their account at that time, on each kept answer: Lookup(Account)."""
    answer_program_field: FieldName = "NPS_Program__c"
    """Which program asked, on each kept answer: Text."""

    task_open_status: Annotated[str, Field(min_length=1)] = "Not Started"
    """The status of a new task: one of the org's own."""
    task_closed_status: Annotated[str, Field(min_length=1)] = "Completed"
    """The status that closes a task: one of the org's own."""
    min_api_version: Annotated[float, Field(ge=31)] = 66.0
    """The oldest newest version of the API that the doctor accepts."""

    @model_validator(mode="before")
    @classmethod
    def _refuse_passwords(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the YAML holds
        if isinstance(given, dict) and (found := sorted(RETIRED & given.keys())):
            message = (
                f"{found[0]}: Salesforce retires logging in with user name and password, and new"
                " orgs refuse it: make an External Client App and give client_id with"
                " client_secret_file, or client_id, username and private_key_file"
            )
            raise ValueError(message)
        return _with_bare_domain(given)

    @model_validator(mode="after")
    def _check_way_in(self) -> Self:
        if self.access_token.get_secret_value():
            if not self.instance_url.startswith("https://"):
                message = "access_token needs instance_url: https://acme.my.salesforce.com"
                raise ValueError(message)
            return self
        if not self.my_domain or not self.client_id:
            message = "give my_domain and client_id, or access_token and instance_url"
            raise ValueError(message)
        by_key = bool(self.username and self.private_key.get_secret_value())
        if by_key == bool(self.client_secret.get_secret_value()):
            message = "give either client_secret_file, or username and private_key_file"
            raise ValueError(message)
        return self

    @property
    def site(self) -> str:
        """Return the address of the org's pages, without a slash at its end."""
        if self.origin:
            return self.origin.rstrip("/")
        return (
            f"https://{self.my_domain}{SUFFIX}" if self.my_domain else self.instance_url.rstrip("/")
        )


def _with_bare_domain(given: Any) -> Any:  # noqa: ANN401 - whatever the YAML holds
    """Take the whole address for the domain, too: people copy it from the browser."""
    if not isinstance(given, dict) or not isinstance(given.get("my_domain"), str):
        return given
    bare = given["my_domain"].strip().removeprefix("https://").rstrip("/")
    for suffix in (SUFFIX, ".lightning.force.com"):
        bare = bare.removesuffix(suffix)
    return {**given, "my_domain": bare}
