"""What the documents claim exists, exists."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])
FOLDERS = "jupyter_secure|tests|docs|notebooks|jupyter-config|labextension|benchmarks"
THREATS = (ROOT / "docs" / "threat-model.md").read_text() if (ROOT / "docs" / "threat-model.md").exists() else ""
ATTACKS = {
    name
    for path in (ROOT / "tests" / "attacks").rglob("test_*.py")
    for name in re.findall(r"^(?:async )?def (test_\w+)", path.read_text(), re.MULTILINE)
}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
        assert (page.parent / target).exists(), target


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_paths_in_code_spans_exist(page):
    for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]*)`", page.read_text()):
        assert (ROOT / path).exists(), path


CANNOT = [line for line in THREATS.splitlines() if " cannot " in line]


@pytest.mark.parametrize("line", CANNOT, ids=lambda line: line[:60])
def test_every_cannot_names_its_attack(line):
    named = re.findall(r"`(test_\w+)`", line)
    assert named, line
    assert set(named) <= ATTACKS, set(named) - ATTACKS


def test_the_threat_model_claims_something():
    assert THREATS.count(" cannot ") >= 10


def test_every_make_target_in_the_documents_exists():
    targets = set(re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`?make ([a-z][\w-]*)`", page.read_text())) <= targets, page
