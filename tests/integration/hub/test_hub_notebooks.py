"""The same notebook and the same magics on a real Hub, and whose view a person gets there."""

import json

import pytest

from tests.integration.demo_server import NOTEBOOK, KernelSession
from tests.integration.server_process import REPOSITORY

pytestmark = pytest.mark.slow


@pytest.fixture
def session(person):
    """Return a function: a kernel of a person, closed at the end."""
    opened = []

    def start(name, path=NOTEBOOK):
        opened.append(KernelSession(person(name), path))
        return opened[-1]

    yield start
    for each in opened:
        each.close()


def test_notebook_01_runs_unchanged_from_top_to_bottom(session):
    scientist = session("scientist")
    notebook = json.loads((REPOSITORY / "notebooks" / NOTEBOOK).read_text())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            _, reply = scientist.run("".join(cell["source"]))
            expected = "error" if "raises-exception" in cell["metadata"].get("tags", ()) else "ok"
            assert reply["status"] == expected, (cell["source"], reply)
    assert scientist.text("df.shape, df.name.unique().tolist()") == "((1629, 19), ['***'])"


@pytest.mark.parametrize(
    ("name", "expression", "expected"),
    [
        ("steward", "df.ssn.notna().all()", "True"),
        ("scientist", "'ssn' in df", "False"),
        ("engineer", "df.name.isna().all()", "True"),
    ],
)
def test_the_same_load_gives_each_person_the_view_of_his_scopes(session, name, expression, expected):
    assert expected in session(name, f"{name}.ipynb").text(f"df = %secure_load patients\n{expression}")


def test_magics_answer_as_on_a_laptop(session):
    scientist = session("scientist", "magics.ipynb")
    assert "scientist" in scientist.text("%secure_status")
    assert "patients" in scientist.text("%secure_catalog")
    assert "numbers-stay-with-stewards" in scientist.text("%secure_why patients.ssn")
    assert len(scientist.text("%secure_load payroll").splitlines()) == 1


def test_two_people_on_two_servers_do_not_mix(session):
    pair = [session("scientist", "shared.ipynb"), session("engineer", "shared.ipynb")]
    for opened in pair * 2:
        opened.run("df = %secure_load patients --columns patient_id,name")
    assert pair[0].text("df.name.iloc[0]") != pair[1].text("df.name.iloc[0]")
    for opened, name in zip(pair, ("scientist", "engineer"), strict=True):
        entries = opened.browser.get("/jupyter_secure/log?path=shared.ipynb").json()["entries"]
        assert {entry["personal"]["user"] for entry in entries} == {name}
