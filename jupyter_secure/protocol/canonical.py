"""Canonical JSON (RFC 8785): one byte string for one value, so that a digest or a signature has one meaning.

Used for policies, decisions, log leaves, manifests and questions. Promises: member names sorted by UTF-16 code units
(section 3.2.3), numbers as ECMAScript prints them (3.2.2.3), no white space. Refuses what two readers could
understand differently: NaN, infinities, integers beyond 2**53 - 1, lone surrogates, names that are not strings.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection
from json.encoder import encode_basestring

import msgspec

from .noun import MAX_SAFE_INTEGER


def canonical(value: object) -> bytes:
    """Return the canonical UTF-8 form of a JSON value, a Struct or a nest of both.

    Raises:
        ValueError: the value has no canonical form.
    """
    plain = msgspec.to_builtins(value)
    text = _text(plain)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a string holds a lone surrogate") from None


def digest(value: object) -> str:
    """Return the hex SHA-256 of the canonical form."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _text(value: object) -> str:
    if isinstance(value, str):
        return encode_basestring(value)
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, int):
        if abs(value) > MAX_SAFE_INTEGER:
            raise ValueError("an integer is beyond 2**53 - 1")
        return str(value)
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, dict):
        return "{" + ",".join([f"{encode_basestring(name)}:{_text(value[name])}" for name in _ordered(value)]) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join([_text(item) for item in value]) + "]"
    raise ValueError(f"not a JSON value: {type(value).__name__}")


def _ordered(names: Collection[object]) -> list[str]:
    texts = [name for name in names if isinstance(name, str)]
    if len(texts) < len(names):
        raise ValueError("a member name is not a string")
    if all(map(str.isascii, texts)):
        return sorted(texts)  # the same order, and nearly all there are
    return sorted(texts, key=lambda name: name.encode("utf-16-be", "surrogatepass"))


def _number(value: float) -> str:
    # ECMAScript Number::toString: Python's repr has the same shortest digits, only the layout differs.
    if not math.isfinite(value):
        raise ValueError("a number is not finite")
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    fraction = "" if fraction == "0" else fraction
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len((whole + fraction).lstrip("0")))
    digits = digits.rstrip("0") or "0"
    if 0 < point <= 21:
        body = digits.ljust(point, "0")[:point] + ("." + digits[point:] if len(digits) > point else "")
    elif -6 < point <= 0:
        body = "0." + "0" * -point + digits
    else:
        body = digits[0] + ("." + digits[1:] if len(digits) > 1 else "") + f"e{point - 1:+d}"
    return sign + body
