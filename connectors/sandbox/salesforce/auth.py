"""The token endpoint: JWT bearer and client credentials; user name and password no more."""

import base64
import binascii
import secrets
from collections.abc import Mapping
from typing import Any, Final

import jwt
from starlette.requests import Request
from starlette.responses import Response

from connectors.sandbox.salesforce.answers import json
from connectors.sandbox.salesforce.state import State

JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
ASSERTION_LIFE_MAX_S: Final = 300
ORGANISATION: Final = "00DdM000003hZzFUAU"


class Denied(Exception):
    """No token: the error's name and its description."""


class Auth:
    """Who may have a token."""

    def __init__(
        self, state: State, *, client_id: str, client_secret: str, public_key: str | None
    ) -> None:
        self.state = state
        self.client_id = client_id
        self.client_secret = client_secret
        self.public_key = public_key

    async def token(self, request: Request) -> Response:
        """Serve POST /services/oauth2/token."""
        form = {key: str(value) for key, value in (await request.form()).items()}
        site = str(request.base_url).rstrip("/")
        with self.state.lock:
            self.state.requests["token"] += 1
            try:
                user = self._user(form, request.headers.get("authorization", ""), site)
            except Denied as denied:
                error, description = denied.args
                status = 401 if error == "invalid_client" else 400
                return json({"error": error, "error_description": description}, status)
            return json(self._granted(user, site))

    def _user(self, form: Mapping[str, str], authorization: str, site: str) -> str:
        grant = form.get("grant_type")
        if grant == "client_credentials":
            self._check_client(form, authorization)
            return self.state.me
        if grant == JWT_BEARER:
            return self._asserted(form.get("assertion", ""), site)
        if grant == "password":
            raise Denied("invalid_grant", "authentication failure")
        raise Denied("unsupported_grant_type", "grant type not supported")

    def _check_client(self, form: Mapping[str, str], authorization: str) -> None:
        given = (form.get("client_id", ""), form.get("client_secret", ""))
        scheme, _, encoded = authorization.partition(" ")
        if scheme.lower() == "basic":
            try:
                name, _, secret = base64.b64decode(encoded).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise Denied("invalid_request", "malformed authorization header") from None
            given = (name, secret)
        if given[0] != self.client_id:
            raise Denied("invalid_client_id", "client identifier invalid")
        if not secrets.compare_digest(given[1], self.client_secret):
            raise Denied("invalid_client", "invalid client credentials")

    def _asserted(self, assertion: str, site: str) -> str:
        claims = self._claims(assertion)
        now = self.state.now().timestamp()
        audience = str(claims.get("aud", ""))
        if not (audience == site or audience.endswith(".salesforce.com")):
            raise Denied("invalid_grant", "audience is invalid")
        if claims.get("iss") != self.client_id:
            raise Denied("invalid_client_id", "client identifier invalid")
        if not now < _number(claims.get("exp")) <= now + ASSERTION_LIFE_MAX_S:
            raise Denied("invalid_grant", "assertion is not within its valid time")
        for user in self.state.all("User"):
            if user["Username"] == claims.get("sub") and user["IsActive"]:
                return str(user["Id"])
        raise Denied("invalid_grant", "user hasn't approved this consumer")

    def _claims(self, assertion: str) -> dict[str, Any]:
        known = self.public_key is not None
        options: Any = {"verify_signature": known, "verify_aud": False, "verify_exp": False}
        try:
            found = jwt.decode(
                assertion, self.public_key or "", algorithms=["RS256"], options=options
            )
        except jwt.PyJWTError:
            raise Denied("invalid_grant", "invalid assertion") from None
        return dict(found)

    def _granted(self, user: str, site: str) -> dict[str, str]:
        return {
            "access_token": self.session(),
            "scope": "api",
            "instance_url": site,
            "id": f"{site}/id/{ORGANISATION}/{user}",
            "token_type": "Bearer",
            "issued_at": str(int(self.state.now().timestamp() * 1000)),
        }

    def session(self) -> str:
        """Begin a session and return its token."""
        token = f"{ORGANISATION[:15]}!{secrets.token_urlsafe(48)}"
        self.state.sessions.add(token)
        return token


def _number(value: object) -> float:
    try:
        return float(str(value))
    except ValueError:
        return 0.0
