"""Codes of an app, as RFC 6238 has them: HMAC-SHA-1, six digits, steps of 30 seconds.

Promises: the secret is 160 random bits (RFC 4226, section 4); a code is good for its own step and one on either side
(RFC 6238, section 5.2); a step that was accepted, and every earlier one, is not accepted again.
"""

from __future__ import annotations

import base64
import hmac
import secrets

STEP = 30_000  # milliseconds
SECRET = 20  # bytes
AROUND = (0, -1, 1)
ISSUER = "jupyter-secure"


def new_secret() -> bytes:
    """Return a new secret."""
    return secrets.token_bytes(SECRET)


def matching_step(secret: bytes, code: str, now: int, after: int) -> int | None:
    """Return the step whose code this is, None if it is wrong or not later than the step `after`."""
    import pyotp

    totp = pyotp.TOTP(text_of(secret))
    found = None
    for step in (now // STEP + off for off in AROUND):
        # Every step is compared, so that the time does not tell which one it was.
        if step >= 0 and hmac.compare_digest(totp.generate_otp(step).encode(), code.encode()) and step > after:
            found = step
    return found


def text_of(secret: bytes) -> str:
    """Return the secret as a person types it into an app: base32."""
    return base64.b32encode(secret).decode()


def address(secret: bytes, user: str) -> str:
    """Return the `otpauth` address that apps read."""
    import pyotp

    return pyotp.TOTP(text_of(secret)).provisioning_uri(name=user, issuer_name=ISSUER)


def qr_rows(text: str) -> tuple[str, ...]:
    """Return a QR code as rows of `0` and `1`, without a margin."""
    import segno

    return tuple("".join(str(bit) for bit in row) for row in segno.make(text, error="m").matrix)
