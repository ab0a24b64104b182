"""The operator's identity provider, as an OpenID Connect relying party speaks with it.

Promises: everything goes over TLS, but for a provider on this computer; endpoints come from the issuer's own discovery
document, anew for every login, so that rotated keys and moved endpoints are never missed; answers are bounded in size
and time and no redirect is followed; a code is redeemed with PKCE (S256), and the client's secret, if there is one,
goes to the token endpoint and nowhere else.

Source: OpenID Connect Discovery 1.0, section 4; Core 1.0, section 3.1; RFC 7636; RFC 9207.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
from dataclasses import dataclass, field
from typing import Any, TypeVar
from urllib.parse import quote_plus, urlencode, urlsplit

import msgspec
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from jupyter_secure.protocol.errors import InstallationError, InvalidRequestError, UnavailableError

from .id_token import refused

_T = TypeVar("_T")
PATIENCE = 5.0  # seconds
LARGEST = 1 << 18  # bytes of an answer
AT_ONCE = 8
START, CALLBACK = "/oidc/start", "/oidc/callback"
SUBJECTS = ("sub", "preferred_username")
_GONE = "The identity provider cannot be reached now. Use another second factor, or begin again in a moment."
_ADDRESS = "{what} is no address of the form https://...; without encryption it may only be on this computer."
_NO_CLASS = "Name with --oidc-acr at least one authentication class that means a second factor."
_AUTHORITY = "The authority of the identity provider's certificate cannot be read. Check --oidc-ca."


@dataclass(frozen=True)
class Registration:
    """What operator and provider agreed on.

    Attributes:
        issuer: exactly as the provider writes it.
        acr: authentication context classes of which each means a second factor.
        public: address of the service as browsers reach it, with its path.
        subject: the claim that holds the name by which a person is known here: `sub` or `preferred_username`.
        secret: the client's; empty for a public client.
        ca: PEM file of the authority of the provider's certificate; None takes the system's.
    """

    issuer: str
    client_id: str
    acr: tuple[str, ...]
    public: str
    subject: str = SUBJECTS[0]
    secret: str = field(default="", repr=False)
    ca: str | None = None

    def __post_init__(self) -> None:
        _require_private(self.issuer, "The issuer")
        _require_private(self.public, "The public address of the broker")
        if not self.acr or any(not name or " " in name for name in self.acr):
            raise InvalidRequestError(_NO_CLASS)
        if self.subject not in SUBJECTS:
            raise InvalidRequestError

    @property
    def start(self) -> str:
        """Where a browser begins."""
        return self.public.rstrip("/") + START

    @property
    def callback(self) -> str:
        """Where the provider sends it back to."""
        return self.public.rstrip("/") + CALLBACK


class Endpoints(msgspec.Struct, frozen=True):
    """What discovery tells."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    authorization_response_iss_parameter_supported: bool = False


class _Tokens(msgspec.Struct):
    id_token: str


class _Keys(msgspec.Struct):
    keys: list[Any]


class IdentityProvider:
    """One provider.

    Args:
        registration: as agreed.

    Raises:
        InstallationError: the authority cannot be read.
    """

    def __init__(self, registration: Registration) -> None:
        self.registration = registration
        self._tls = _authority(registration.ca)
        self._client = SimpleAsyncHTTPClient(force_instance=True, max_clients=AT_ONCE, max_body_size=LARGEST)

    async def discover(self) -> Endpoints:
        """Return the endpoints of now.

        Raises:
            UnavailableError: it cannot be reached, or describes another issuer or unencrypted endpoints.
        """
        issuer = self.registration.issuer
        found = await self._fetch(issuer.rstrip("/") + "/.well-known/openid-configuration", Endpoints)
        if found.issuer != issuer:
            raise UnavailableError(_GONE, detail="discovery names another issuer")
        for address in (found.authorization_endpoint, found.token_endpoint, found.jwks_uri):
            try:
                _require_private(address, "")
            except InvalidRequestError:
                raise UnavailableError(_GONE, detail="discovery names an unencrypted endpoint") from None
        return found

    def address(self, endpoints: Endpoints, state: str, nonce: str, verifier: str) -> str:
        """Return where to send a browser: to log in anew, with a second factor, whoever is logged in there."""
        asked = {
            "client_id": self.registration.client_id,
            "response_type": "code",
            "redirect_uri": self.registration.callback,
            "scope": "openid" if self.registration.subject == SUBJECTS[0] else "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": _base64url(hashlib.sha256(verifier.encode()).digest()),
            "code_challenge_method": "S256",
            "acr_values": " ".join(self.registration.acr),
            "max_age": "0",
            "prompt": "login",
        }
        there = endpoints.authorization_endpoint
        return f"{there}{'&' if urlsplit(there).query else '?'}{urlencode(asked)}"

    async def redeem(self, endpoints: Endpoints, code: str, verifier: str) -> str:
        """Return the ID token for a code.

        Raises:
            SecondFactorError: the provider does not take the code (any more, from us).
            UnavailableError: it cannot be reached.
        """
        sent = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.registration.callback,
            "code_verifier": verifier,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if self.registration.secret:  # RFC 6749, section 2.3.1: both are encoded before they are joined
            pair = f"{quote_plus(self.registration.client_id)}:{quote_plus(self.registration.secret)}"
            headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
        else:
            sent["client_id"] = self.registration.client_id
        found = await self._fetch(endpoints.token_endpoint, _Tokens, headers, urlencode(sent))
        return found.id_token

    async def keys(self, endpoints: Endpoints) -> list[Any]:
        """Return the keys that it signs with now.

        Raises:
            UnavailableError: it cannot be reached.
        """
        return (await self._fetch(endpoints.jwks_uri, _Keys)).keys

    def close(self) -> None:
        """Give up the connections."""
        self._client.close()

    async def _fetch(self, url: str, kind: type[_T], headers: dict[str, str] | None = None, body: str = "") -> _T:
        try:
            answer = await self._client.fetch(
                url,
                method="POST" if body else "GET",
                headers={"Accept": "application/json", **(headers or {})},
                body=body or None,
                connect_timeout=PATIENCE,
                request_timeout=PATIENCE,
                follow_redirects=False,
                ssl_options=self._tls,
                raise_error=False,
            )
        except Exception as error:  # noqa: BLE001 - whatever a network does, it proves nothing
            raise UnavailableError(_GONE, detail=f"the identity provider: {type(error).__name__}") from None
        if body and answer.code in {400, 401, 403}:
            raise refused("code")
        if answer.code != 200:
            raise UnavailableError(_GONE, detail=f"the identity provider answered {answer.code}")
        try:
            return msgspec.json.decode(answer.body, type=kind)
        except msgspec.MsgspecError:
            raise UnavailableError(_GONE, detail="the identity provider's answer is of another form") from None


def _require_private(address: str, what: str) -> None:
    try:
        found = urlsplit(address)
        host = found.hostname or ""
    except ValueError:
        found, host = urlsplit(""), ""
    private = found.scheme == "https" or (found.scheme == "http" and host in {"localhost", "127.0.0.1", "::1"})
    if not private or not host or found.fragment or found.username is not None:
        raise InvalidRequestError(_ADDRESS.format(what=what))


def _authority(path: str | None) -> ssl.SSLContext | None:
    if path is None:
        return None
    try:
        return ssl.create_default_context(cafile=path)
    except (OSError, ssl.SSLError):
        raise InstallationError(_AUTHORITY) from None


def _base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
