"""docs/pii-suggestions.md shows what the suggestions are worth now."""

import re
from pathlib import Path

import pytest

from tests import pii_tables

PAGE = (Path(__file__).parents[3] / "docs" / "pii-suggestions.md").read_text()
GROUPS = (
    pii_tables.real,
    lambda: pii_tables.made(named=True),
    lambda: pii_tables.made(named=False),
    pii_tables.known,
)
pytestmark = pytest.mark.slow


def test_the_table_is_what_comes_out():
    shown = re.findall(r"^\| .* \| (\d+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    made = [
        (str(columns), f"{precision:.2f}", f"{recall:.2f}")
        for group in GROUPS
        for columns, precision, recall in pii_tables.report(group())[0].values()
    ]
    assert shown == made
