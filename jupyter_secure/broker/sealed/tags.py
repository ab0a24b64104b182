"""Suggestions of column tags for a person to confirm; nothing here tags anything.

Looks at the name, at the shape of the values in a sample, at the type and at how many values differ. Promises: a reason
is always given and never holds a value; where nothing speaks, the suggestion is None, and such a column stays denied.

Order: values that look like an identifier, the name, values that are nearly all different, the type.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.noun import ColumnName, Noun

from .lexicon import look_up

ENOUGH = 50  # rows; fewer say nothing about how many values differ
MATCHING = 0.8
DIFFERENT = 0.95
# What each shape is called, and its expression (RE2).
SHAPES = (
    ("e-mail addresses", r"^[^@\s]+@[^@\s]+\.[A-Za-z]{2,}$"),
    ("social security numbers", r"^[0-9]{3}-[0-9]{2}-[0-9]{4}$"),
    ("telephone numbers", r"^(\+[0-9]{1,3}[ -]?|\(?0)[0-9()][0-9 ()/.-]{5,16}[0-9]$"),
    ("bank account numbers (IBAN)", r"^[A-Z]{2}[0-9]{2} ?([A-Z0-9]{4} ?){2,7}[A-Z0-9]{1,4}$"),
    ("network addresses", r"^([0-9]{1,3}\.){3}[0-9]{1,3}$"),
    ("universal identifiers (UUID)", r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"),
    ("payment card numbers", r"^([0-9]{4}[ -]){3}[0-9]{4}$"),
)


class Suggestion(Noun):
    """What a column probably is; `tag` None means that nothing speaks for any."""

    column: ColumnName
    type: str
    tag: Tag | None
    reason: str


def suggest(sample: pa.Table) -> tuple[Suggestion, ...]:
    """Suggest a tag for each column of a sample of rows, in their order."""
    return tuple(_suggest(name, sample.column(name)) for name in sample.column_names)


def _suggest(name: str, column: Any) -> Suggestion:
    tag, reason = _judge(name, column.drop_null())
    return Suggestion(column=name, type=str(column.type), tag=tag, reason=reason)


def _judge(name: str, values: Any) -> tuple[Tag | None, str]:
    shape = _shape(values) if pa.types.is_string(values.type) else None
    if shape is not None:
        return Tag.DIRECT, f"the values look like {shape}"
    word = look_up(name)
    if word is not None:
        return word[1], f"the name has `{word[0]}` in it"
    kind = values.type
    spread = _spread(values)
    if spread >= DIFFERENT and (pa.types.is_string(kind) or pa.types.is_integer(kind)):
        return Tag.DIRECT, "nearly every value is different, as in a number that names a person"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return Tag.QUASI, "a date can single a person out together with other columns"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Tag.MEASURE, "the values are quantities"
    return None, "neither name nor values give a hint"


def _shape(values: Any) -> str | None:
    if len(values) == 0:
        return None
    for called, expression in SHAPES:
        share = pc.sum(pc.match_substring_regex(values, expression)).as_py() / len(values)
        if share >= MATCHING:
            return called
    return None


def _spread(values: Any) -> float:
    if len(values) < ENOUGH or pa.types.is_nested(values.type):
        return 0.0
    return float(pc.count_distinct(values).as_py() / len(values))
