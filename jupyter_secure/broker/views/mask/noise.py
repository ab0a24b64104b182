"""Noise: a number plus noise that is a keyed function of the person, so that repeated loads average nothing away.

| input | result | type |
|---|---|---|
| integer, float, decimal128 | the value plus noise; NaN and infinities stay | float64 |
| anything else | null | as `keep` |

`gaussian`: Box-Muller over two 32-bit uniforms, standard deviation `scale`. `laplace`: inverse of the distribution
function over one 53-bit uniform. All values of one person in one column get the same noise: differences between a
person's own values stay exact. Floating-point noise protects nobody from an attacker with side knowledge; for that
there are private answers (`view = "dp"`).
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from jupyter_secure.protocol.treatment import Noise

from . import buffers
from .buffers import Array
from .tokens import Tokens, both


class NoiseMask:
    """See the module. `key` has 32 bytes; `subject` is the type of the person's column."""

    def __init__(self, treatment: Noise, kind: pa.DataType, key: bytes, subject: pa.DataType) -> None:
        kind = buffers.plain_type(kind)
        self._decimal = pa.types.is_decimal128(kind)
        self._numeric = self._decimal or pa.types.is_integer(kind) or pa.types.is_floating(kind)
        self.subject = treatment.subject
        self.type = self.wire = pa.float64() if self._numeric else kind
        sign = "f" if pa.types.is_floating(kind) else "u" if pa.types.is_unsigned_integer(kind) else "i"
        self._source = "f8" if self._decimal else f"{sign}{kind.bit_width // 8}" if self._numeric else ""
        self._scale = treatment.scale
        self._draw = _laplace if treatment.distribution == "laplace" else _gaussian
        self._tokens = Tokens(subject, key, "noise")

    def apply(self, array: pa.Array, subjects: pa.Array) -> pa.Array:
        """Return the numbers with noise."""
        if not self._numeric:
            return pa.nulls(len(array), self.type)
        array = buffers.plain(array)
        if self._decimal:
            array = array.cast(pa.float64())
        tokens, known = self._tokens.of(subjects)
        with np.errstate(over="ignore", invalid="ignore"):
            noisy = buffers.fixed(array, self._source).astype(np.float64) + self._scale * self._draw(tokens)
        noisy[np.isnan(noisy)] = np.nan  # the payload of NaN is not passed on
        return buffers.from_fixed(noisy, self.type, both(buffers.validity(array), known))


def _gaussian(tokens: Array) -> Array:
    radius = ((tokens >> np.uint64(32)).astype(np.float64) + 0.5) / 2**32
    angle = (tokens & np.uint64(0xFFFFFFFF)).astype(np.float64) / 2**32
    drawn: Array = np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)
    return drawn


def _laplace(tokens: Array) -> Array:
    uniform = ((tokens >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53 - 0.5
    drawn: Array = -np.sign(uniform) * np.log1p(-2 * np.abs(uniform))
    return drawn
