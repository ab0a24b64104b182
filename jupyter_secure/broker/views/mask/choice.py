"""Which mask a column gets: one line per treatment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pyarrow as pa

from jupyter_secure.protocol.noun import Noun
from jupyter_secure.protocol.treatment import (
    Bucket,
    Clip,
    Constant,
    Custom,
    FormatPreserving,
    Generalize,
    Keep,
    Noise,
    Partial,
    Pseudonym,
    Redact,
    Scrub,
    ShiftDates,
    Suppress,
    Treatment,
)

from . import (
    bands,
    bucket,
    clip,
    constant,
    custom,
    formatpreserving,
    generalize,
    keep,
    noise,
    partial,
    pseudonym,
    redact,
    scrub,
    shiftdates,
    suppress,
)
from .interface import AnyMask


class Recipe(NamedTuple):
    """What a mask is made from; see `choose`."""

    treatment: Any
    kind: pa.DataType
    given_key: bytes | None
    given_subject: pa.DataType | None

    @property
    def key(self) -> bytes:
        """Return the key that this method needs."""
        if self.given_key is None:
            raise ValueError("this treatment needs a key")
        return self.given_key

    @property
    def subject(self) -> pa.DataType:
        """Return the type of the column that names the person."""
        if self.given_subject is None:
            raise ValueError("this treatment goes by persons, and nothing names them")
        return self.given_subject


MASKS: dict[type[Noun], Callable[[Recipe], AnyMask]] = {
    Keep: lambda it: keep.KeepMask(it.kind),
    Clip: lambda it: clip.choose(it.treatment, it.kind),
    Noise: lambda it: noise.NoiseMask(it.treatment, it.kind, it.key, it.subject),
    ShiftDates: lambda it: shiftdates.ShiftDatesMask(it.treatment, it.kind, it.key, it.subject),
    Scrub: lambda it: scrub.ScrubMask(it.kind),
    Partial: lambda it: partial.PartialMask(it.treatment.form, it.kind),
    FormatPreserving: lambda it: formatpreserving.FormatPreservingMask(it.treatment.alphabet, it.kind, it.key),
    Pseudonym: lambda it: pseudonym.PseudonymMask(it.kind, it.key),
    Bucket: lambda it: bucket.BucketMask(it.treatment.count, it.kind, it.key),
    Generalize: lambda it: bands.choose(it.treatment, it.kind) or generalize.choose(it.treatment, it.kind),
    Custom: lambda it: custom.load(it.treatment, it.kind, it.key),
    Constant: lambda it: constant.ConstantMask(it.treatment.value),
    Redact: lambda it: redact.RedactMask(it.kind),
    Suppress: lambda it: suppress.SuppressMask(it.kind),
}


def choose(
    treatment: Treatment, kind: pa.DataType, key: bytes | None = None, subject: pa.DataType | None = None
) -> AnyMask:
    """Return the mask for a column.

    Args:
        treatment: what the policy says.
        kind: the column's type.
        key: 32 bytes, for the methods that `plan.keyed` names.
        subject: the type of the column that names the person, for the methods that go by persons.

    Raises:
        ValueError: the key or the subject is missing.
        PolicyError: a mask of another package is not installed, or does not take its options.
    """
    return MASKS[type(treatment)](Recipe(treatment, kind, key, subject))
