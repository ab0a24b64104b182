"""Suggestions of column tags for a person to confirm; nothing here tags anything.

Looks at the shape of the values in a sample, at the words in them, at the column's name, at how many values differ and
at the type. Promises: a reason is always given and never holds a value; where nothing speaks, the suggestion is None,
and such a column stays denied. `docs/pii-suggestions.md` says how good it is.

Order: values that are identifiers; of what name and values say, the more dangerous, but for quantities that nearly all
differ and are text or called a number; sentences; values that are nearly all different; the type.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from jupyter_secure.protocol.dataset import Tag
from jupyter_secure.protocol.noun import ColumnName, Noun

from .lexicon import look_up
from .shapes import is_prose, look
from .vocabulary import family

ENOUGH = 50  # rows; fewer say nothing about how many values differ
DIFFERENT = 0.95
AMBIGUOUS = ("number", "value", "index")  # of persons, as often as of something counted


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
    said = [hint for hint in (_by_values(values), _by_name(name)) if hint is not None]
    kind = values.type
    if said and not (said[0][0] is Tag.MEASURE and _counts_nothing(name, values)):
        order = list(Tag)
        return min(said, key=lambda hint: order.index(hint[0]))
    if is_prose(values):
        return Tag.SENSITIVE, "the values are sentences, which may say anything about anybody"
    if _spread(values) >= DIFFERENT and (pa.types.is_string(kind) or pa.types.is_integer(kind)):
        return Tag.DIRECT, "nearly every value is different, as in a number that names a person"
    if pa.types.is_date(kind) or pa.types.is_timestamp(kind):
        return Tag.QUASI, "a date can single a person out together with other columns"
    if pa.types.is_floating(kind) or pa.types.is_decimal(kind):
        return Tag.MEASURE, "the values are quantities"
    return None, "neither name nor values give a hint"


def _by_values(values: Any) -> tuple[Tag, str] | None:
    if pa.types.is_integer(values.type):  # a number of a person may have been read as a number
        values = values.cast(pa.string())
    if not pa.types.is_string(values.type):
        return None
    shape = look(values)
    if shape is not None:
        return shape.tag, f"the values look like {shape.called}"
    words = family(values)
    return (words.tag, f"the values look like {words.called}") if words else None


def _by_name(name: str) -> tuple[Tag, str] | None:
    word = look_up(name)
    return (word[1], f"the name has `{word[0]}` in it") if word else None


def _counts_nothing(name: str, values: Any) -> bool:
    """Say whether a quantity by its name is none: an `invoice_number`, or texts, that nearly all differ."""
    word = look_up(name)
    numbered = word is not None and word[0] in AMBIGUOUS and pa.types.is_integer(values.type)
    return (numbered or pa.types.is_string(values.type)) and _spread(values) >= DIFFERENT


def _spread(values: Any) -> float:
    if len(values) < ENOUGH or pa.types.is_nested(values.type):
        return 0.0
    return float(pc.count_distinct(values).as_py() / len(values))
