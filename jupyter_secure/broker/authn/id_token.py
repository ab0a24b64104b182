"""The ID token of an identity provider, read as a proof of a second factor.

Promises: nothing in it is believed before its signature was checked with a key of the issuer, by an algorithm of
`ALGORITHMS` alone; every claim that matters must be there and of its type; clocks may differ by `SKEW`, no more. What
is returned holds no part of the token but names and times.

Order: signature -> issuer, audience, party -> times -> nonce -> authentication anew -> class -> subject.
Source: OpenID Connect Core 1.0, sections 2 and 3.1.3.7; RFC 8725 for algorithms.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, import_key

from jupyter_secure.protocol.errors import SecondFactorError

ALGORITHMS = ("RS256", "PS256", "ES256")
SKEW = 30  # seconds
LONGEST = 16_384  # characters
_SAYS = {
    "acr": "The identity provider did not say that you used a second factor, so this proves nothing. "
    "Log in there with your second factor.",
    "auth_time": "The identity provider did not ask you to log in anew, so this proves nothing. "
    "Log out there, then begin again from the sidebar.",
    "subject": "You logged in at the identity provider as somebody else than whom this request is of. "
    "Log out there, then begin again from the sidebar.",
}
_OTHERWISE = (
    "The answer of the identity provider cannot be accepted. Begin again from the sidebar; "
    "if that does not help, tell the operator."
)


@dataclass(frozen=True)
class Expected:
    """What a token has to say.

    Attributes:
        acr: authentication context classes of which each counts as a second factor.
        claim: the claim that holds the person's name.
        started: when the person was sent to the provider, seconds since 1970.
    """

    issuer: str
    client: str
    nonce: str
    acr: tuple[str, ...]
    claim: str
    user: str
    started: int


@dataclass(frozen=True)
class Proof:
    """What it proves: by which class, and when the person logged in there, seconds since 1970."""

    acr: str
    auth_time: int


def refused(reason: str) -> SecondFactorError:
    """Return the error for a reason, which is the name of what does not hold."""
    return SecondFactorError(_SAYS.get(reason, _OTHERWISE), detail=reason)


def read(token: str, keys: list[Any], expected: Expected, now: int) -> Proof:
    """Return what a token proves.

    Args:
        token: a signed JWT in compact form.
        keys: public JSON web keys of the issuer.
        expected: what it has to say.
        now: seconds since 1970.

    Raises:
        SecondFactorError: anything does not hold; `detail` names it.
    """
    claims = _verified(token, keys)
    _for_us(claims, expected)
    _in_time(claims, expected, now)
    if not hmac.compare_digest(_text(claims, "nonce").encode(), expected.nonce.encode()):
        raise refused("nonce")
    auth_time = _seconds(claims, "auth_time")
    if not expected.started - SKEW <= auth_time <= now + SKEW:
        raise refused("auth_time")
    acr = _text(claims, "acr")
    if acr not in expected.acr:
        raise refused("acr")
    if _text(claims, expected.claim, "subject") != expected.user:
        raise refused("subject")
    return Proof(acr, min(auth_time, now))


def _verified(token: str, keys: list[Any]) -> dict[str, Any]:
    if len(token) > LONGEST:
        raise refused("size")
    try:
        return dict(jwt.decode(token, _usable(keys), algorithms=ALGORITHMS).claims)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError):
        raise refused("signature") from None


def _usable(keys: list[Any]) -> KeySet:
    """Return the public keys for signatures; a provider may show others, of kinds that are not known here."""
    found = []
    for key in keys:
        if isinstance(key, dict) and key.get("kty") in {"RSA", "EC"} and key.get("use", "sig") == "sig":
            try:
                found.append(import_key(key))
            except (JoseError, ValueError, TypeError, KeyError):
                continue
    return KeySet(found)


def _for_us(claims: dict[str, Any], expected: Expected) -> None:
    if claims.get("iss") != expected.issuer:
        raise refused("iss")
    if claims.get("aud") not in (expected.client, [expected.client]):  # one that others accept too is not for us
        raise refused("aud")
    if claims.get("azp", expected.client) != expected.client:
        raise refused("azp")


def _in_time(claims: dict[str, Any], expected: Expected, now: int) -> None:
    if _seconds(claims, "exp") <= now - SKEW:
        raise refused("exp")
    if not expected.started - SKEW <= _seconds(claims, "iat") <= now + SKEW:
        raise refused("iat")
    if "nbf" in claims and _seconds(claims, "nbf") > now + SKEW:
        raise refused("nbf")


def _text(claims: dict[str, Any], name: str, reason: str | None = None) -> str:
    found = claims.get(name)
    if not isinstance(found, str) or not found:
        raise refused(reason or name)
    return found


def _seconds(claims: dict[str, Any], name: str) -> int:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float) or not 0 < found < 2**53:
        raise refused(name)
    return int(found)
