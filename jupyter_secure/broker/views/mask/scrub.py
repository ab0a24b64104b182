"""Scrub: free text in which identifiers of known form are replaced by their kind in brackets.

Found are: web addresses, e-mail addresses, IBANs, IP addresses, MAC addresses, dates with a day, and runs of five or
more digits, with the usual separators between them (telephone, insurance, card and case numbers). Not found are names,
places and everything that has no form: text that may hold them is to be suppressed, not scrubbed.

Type: `string`; what is not text becomes null, as `keep`.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from . import buffers
from .keep import KeepMask

MONTH = r"(?:jan|feb|mar|mär|apr|may|mai|jun|jul|aug|sep|oct|okt|nov|dec|dez)[a-zä]*"
# In this order: what is longer and holds the others goes first. RE2, linear in the length of the text.
KINDS = (
    ("URL", r"(?i)\b(?:(?:https?|ftp)://|www\.)\S+"),
    ("EMAIL", r"[^\s@<>()\[\],;:]+@[^\s@<>()\[\],;:]+\.[^\s@<>()\[\],;:]+"),
    ("IBAN", r"(?i)\b[a-z]{2}[0-9]{2}(?: ?[0-9a-z]{4}){2,7}(?: ?[0-9a-z]{1,4})?\b"),
    ("MAC", r"(?i)\b(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b"),
    ("IP", r"\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b"),
    ("IP", r"(?i)\b(?:[0-9a-f]{1,4}:)+:[0-9a-f:]*"),
    ("IP", r"(?i)\b(?:[0-9a-f]{1,4}:){3,7}[0-9a-f]{0,4}\b"),
    ("DATE", r"\b[0-9]{4}[-/.][0-9]{1,2}[-/.][0-9]{1,2}(?:T[0-9:.]+Z?)?\b"),
    ("DATE", r"\b[0-9]{1,2}[-/.] ?[0-9]{1,2}[-/.] ?(?:[0-9]{4}|[0-9]{2})\b"),
    ("DATE", rf"(?i)\b[0-9]{{1,2}}(?:st|nd|rd|th|\.)? {MONTH}\.?,?(?: [0-9]{{2,4}})?\b"),
    ("DATE", rf"(?i)\b{MONTH}\.? [0-9]{{1,2}}(?:st|nd|rd|th)?\b(?:,? [0-9]{{4}}\b)?"),
    ("NUMBER", r"[+(]?[0-9](?:[ ()./-]{0,3}[0-9]){6,}"),
    ("NUMBER", r"[+(]?[0-9](?:[ ().-]{0,3}[0-9]){4,}"),  # no slash: 120/80 is a blood pressure
)


class ScrubMask:
    """See the module."""

    def __init__(self, kind: pa.DataType) -> None:
        self.type = self.wire = buffers.plain_type(kind)

    def apply(self, array: pa.Array) -> pa.Array:
        """Return the text without identifiers."""
        if not pa.types.is_string(self.type):
            return pa.nulls(len(array), self.type)
        array = buffers.plain(array)
        for name, pattern in KINDS:
            array = pc.replace_substring_regex(array, pattern, f"[{name}]")
        return KeepMask(array.type).apply(array)
