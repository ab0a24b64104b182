"""How small a group drowns in the noise: of one smaller than its margin nobody can say that it is there at all."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

COUNTS = ("count", "persons", "histogram")


def drowns_below(margins: Mapping[str, float], question: Mapping[str, Any]) -> dict[str, int]:
    """Return for each number by groups that counts, below which size a group drowns.

    Args:
        margins: what the broker forecast, in the order of the question.
        question: as it was asked.
    """
    aggregates = question.get("aggs", [])
    if not question.get("group_by") and not any(each.get("op") == "histogram" for each in aggregates):
        return {}
    paired = zip(margins.items(), aggregates, strict=False)  # a training has margins and no aggregates
    return {name: math.ceil(margin) for (name, margin), each in paired if each.get("op") in COUNTS}
