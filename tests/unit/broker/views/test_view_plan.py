"""What a worker is told."""

from jupyter_secure.broker.views.plan import Part, ViewPlan, needed
from jupyter_secure.protocol.treatment import Keep, Suppress
from jupyter_secure.protocol.view import ColumnView, Comparison

SECRET = bytes(range(32))


def test_a_representation_shows_no_key():
    part = Part(path="/vault/part", rows=7, footer_key=SECRET, column_keys={"age": SECRET})
    plan = ViewPlan(parts=(part,), columns=(), recipient=SECRET, info=b"", total=7, mask_keys={"name": SECRET})
    for shown in (repr(part), repr(plan), f"{plan}", f"{[plan]}"):
        assert repr(SECRET) not in shown
        assert "/vault" not in shown


def test_keys_are_needed_of_what_is_read_or_filtered_and_of_nothing_else():
    columns = (
        ColumnView(name="age", treatment=Keep(), rule="r"),
        ColumnView(name="gone", treatment=Suppress(), rule="r"),
    )
    rows = (Comparison(column="region", operator="eq", value="north"),)
    assert needed(columns, rows) == {"age", "region"}
