"""Partial: a part of a text, the rest as `***`, whatever its length.

| form | shown | example |
|---|---|---|
| `email` | first character and domain | `a***@example.org` |
| `phone` | last two digits | `***67` |
| `card` | last four digits | `***1111` |
| `iban` | country and last four characters | `DE***3000` |
| `tail` | last two characters | `***ns` |

Type: `string`; what is not text becomes null, as `keep`. A text that does not have the form, or would be shown to half
or more, comes out as `***`.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from . import buffers
from .keep import KeepMask

HIDDEN = "***"
# RE2: the form in full, and what of it is shown. Linear in the length of the text.
FORMS = {
    "email": (r"^([^@\s])[^@]*@([^@\s]+\.[^@\s]+)$", rf"\1{HIDDEN}@\2"),
    "phone": (r"^[+(]?(?:[ ()./-]*[0-9]){3,}[ ()./-]*([0-9])[ ()./-]*([0-9])[ )]*$", rf"{HIDDEN}\1\2"),
    "card": (r"^(?:[0-9][ -]?){8,}([0-9])[ -]?([0-9])[ -]?([0-9])[ -]?([0-9])$", rf"{HIDDEN}\1\2\3\4"),
    "iban": (
        r"^([A-Za-z]{2})[0-9]{2}(?: ?[0-9A-Za-z]){7,} ?([0-9A-Za-z]) ?([0-9A-Za-z]) ?([0-9A-Za-z]) ?([0-9A-Za-z])$",
        rf"\1{HIDDEN}\2\3\4\5",
    ),
    "tail": (r"(?s)^.{3,}(..)$", rf"{HIDDEN}\1"),
}


class PartialMask:
    """See the module."""

    def __init__(self, form: str, kind: pa.DataType) -> None:
        self.type = self.wire = buffers.plain_type(kind)
        self._pattern, self._shown = FORMS[form]

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the parts."""
        if not pa.types.is_string(self.type):
            return pa.nulls(len(array), self.type)
        array = buffers.plain(array)
        fits = pc.match_substring_regex(array, self._pattern)
        parts = pc.replace_substring_regex(array, self._pattern, self._shown)
        return KeepMask(array.type).apply(pc.if_else(fits, parts, pa.scalar(HIDDEN, parts.type)))
