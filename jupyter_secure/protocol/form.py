"""What a column will look like: an example of its form, made from the treatment and never from a value.

The examples are of values that anybody can think up; `tests/unit/kernel/test_preview.py` holds them against what the
masks make of the same values.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any

from . import treatment as t

# A value of each kind that stands for no one.
TEXT, NUMBER, FRACTION, DAY, MOMENT = "some text", 47, 47.36, "1984-07-23", "1984-07-23 15:08"
OTHERS = {"bool": "true", "time": "15:08", "duration": "3 days", "null": "empty"}
EMPTY = "empty"
PARTS = {"email": "a***@example.org", "phone": "***67", "iban": "DE***3000", "card": "***1111", "tail": "***xt"}
LETTERS = {"digits": "4 digits for 4 digits", "lower": "as many small letters", "upper": "as many capitals"}
STARTS = {
    "day": "1984-07-23",
    "week": "1984-07-23",
    "month": "1984-07-01",
    "quarter": "1984-07-01",
    "year": "1984-01-01",
    "decade": "1980-01-01",
}
TEXTS = ("string", "large_string", "string_view")
FLOATS = ("halffloat", "float", "double")
NUMBERS, DATES = ("int", "uint", *FLOATS, "decimal128"), ("date", "timestamp")
TOKENS = (*TEXTS, *NUMBERS, *DATES, "binary", "large_binary", "fixed_size_binary", "bool")
# For what types a method makes a value; for all others it leaves nothing (`broker/views/mask/interface.py`).
MEANS: dict[type[t.Treatment], tuple[str, ...]] = {
    t.Clip: NUMBERS,
    t.Noise: NUMBERS,
    t.ShiftDates: DATES,
    t.Scrub: TEXTS,
    t.Partial: TEXTS,
    t.FormatPreserving: TEXTS,
    t.Pseudonym: TOKENS,
    t.Bucket: TOKENS,
    t.Generalize: (*TEXTS, *NUMBERS, *DATES),
    t.Redact: TEXTS,
}


def has_meaning(treatment: t.Treatment, kind: str) -> bool:
    """Say whether a method makes anything of values of a type, as Arrow writes it."""
    word = re.match(r"[a-z]*(?:_[a-z]+)*(?:128|256)?", kind)
    family = "" if word is None or kind.endswith(">") else word[0]
    return type(treatment) not in MEANS or family in MEANS[type(treatment)]


def form(treatment: t.Treatment | None, kind: str) -> str:
    """Return an example of what crosses.

    Args:
        treatment: of the column; None where it is left out.
        kind: the column's type, as Arrow writes it.
    """
    if treatment is None:
        return ""
    return EXAMPLES[type(treatment)](treatment, kind) if has_meaning(treatment, kind) else EMPTY


def _plain(kind: str) -> str:
    if kind.startswith(("date", "timestamp")):
        return MOMENT if "timestamp" in kind else DAY
    if kind.endswith(">"):
        return "several values in one"
    if kind.startswith((*FLOATS, "decimal")):
        return str(FRACTION)
    if kind.lstrip("u").startswith("int"):
        return str(NUMBER)
    return next((shown for name, shown in OTHERS.items() if kind.startswith(name)), TEXT)


def _end(bound: float | None) -> str:
    return "any" if bound is None else f"{bound:g}"


def _general(treatment: t.Generalize, kind: str) -> str:
    if kind.startswith(("date", "timestamp")):
        return STARTS[treatment.unit] + (" 00:00" if "timestamp" in kind else "")
    if kind in TEXTS:
        return TEXT[: treatment.prefix] + "*"
    if treatment.edges:
        return f"one of {', '.join(f'{edge:g}' for edge in treatment.edges)}"
    if treatment.grid and kind in FLOATS:
        return f"{FRACTION // treatment.grid * treatment.grid:g}, by steps of {treatment.grid:g}"
    width = max(treatment.width, math.ceil(treatment.grid or 0))
    return f"{NUMBER // width * width}, by steps of {width}"


EXAMPLES: dict[type[t.Treatment], Callable[[Any, str], str]] = {
    t.Keep: lambda _, kind: f"{_plain(kind)} (the value)",
    t.Clip: lambda it, kind: f"{_plain(kind)}, never below {_end(it.low)} or above {_end(it.high)}",
    t.Noise: lambda it, kind: f"{_plain(kind)} with noise of about {it.scale:g}",
    t.ShiftDates: lambda it, kind: f"{_plain(kind)}, up to {it.days} days off",
    t.Scrub: lambda _, __: "call [NUMBER] or write to [EMAIL]",
    t.Partial: lambda it, _: PARTS[it.form],
    t.FormatPreserving: lambda it, _: LETTERS.get(it.alphabet, "as many letters and digits"),
    t.Pseudonym: lambda _, __: "3f9c61d07be482a5 (a token)",
    t.Bucket: lambda it, _: f"a number from 0 to {it.count - 1}",
    t.Generalize: _general,
    t.Custom: lambda it, _: f"as the plug-in {it.name} makes it",
    t.Constant: lambda it, _: str(it.value),
    t.Redact: lambda _, __: "***",
    t.Suppress: lambda _, __: EMPTY,
}
