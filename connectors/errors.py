"""What can go wrong at somebody else's API, told by what to do next.

ConnectorError
├── Unavailable    not now: nothing was accepted, try again later
├── Doubtful       we cannot know: it may have been accepted, the answer never came
├── Refused        not this: give up on this one request, carry on with the rest
└── Unauthorized   not us: nothing works until an operator mends the account
"""

FIRST_SERVER_FAULT = 500


class ConnectorError(Exception):
    """A call to another service failed. Raise one of its children.

    `problem` is shown to operators and written to logs: it names no person, no address, no
    comment and no secret, and ends with the remedy where there is one.
    """

    def __init__(self, service: str, problem: str) -> None:
        super().__init__(f"{service}: {problem}")
        self.service = service
        self.problem = problem


class Unavailable(ConnectorError):
    """The service is down, slow or has had enough of us. Nothing was accepted: try later."""

    def __init__(self, service: str, problem: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(service, problem)
        self.retry_after_s = retry_after_s


class Doubtful(ConnectorError):
    """The request left us and no answer came back: it may or may not have been accepted.

    Harmless where the request can be repeated (an upsert); a mail is settled by evidence.
    """


class Refused(ConnectorError):
    """The service will never take this request as it is. Tell the operator, carry on."""

    def __init__(self, service: str, problem: str, *, code: str = "") -> None:
        super().__init__(service, problem)
        self.code = code


class Unauthorized(ConnectorError):
    """The account, its key or its rights are wrong. An operator has to mend it."""


def error_for(
    service: str, status: int, problem: str, *, retry_after_s: float | None = None
) -> ConnectorError:
    """Return the error that an HTTP status stands for, as RFC 9110 section 15 has it.

    A connector looks at the service's own code in the body first (Salesforce answers 403 when
    the day's quota is spent), and treats a 5xx after a request that cannot be repeated as
    `Doubtful`.
    """
    if status in {401, 403}:
        return Unauthorized(service, problem)
    if status in {408, 423, 425, 429, 477} or status >= FIRST_SERVER_FAULT:
        return Unavailable(service, problem, retry_after_s=retry_after_s)
    return Refused(service, problem, code=str(status))
