"""The sidebar on the real thing: JupyterLab, guard, broker and data, in a real Chromium."""

import os
import re
import shutil
import signal
from contextlib import ExitStack

import pytest

from jupyter_secure.cli import demo
from tests.integration import demo_server
from tests.integration.browser import chromium, log_in, open_panel, page, take_focus
from tests.integration.demo_server import NOTEBOOK

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("panel")
    server = demo_server.start(folder)
    shutil.copy(server.root / NOTEBOOK, server.root / "second.ipynb")
    try:
        yield server
    finally:
        server.stop()
        demo_server.verify(folder)


@pytest.fixture(scope="module")
def browser():
    with chromium() as opened:
        yield opened


@pytest.fixture
def lab(server, browser):
    """Return a function that opens a notebook as a person and shows the sidebar."""
    with ExitStack() as pages:

        def open_as(name, path=NOTEBOOK, **options):
            shown = pages.enter_context(page(browser, width=1500, height=1400, **options))
            log_in(
                shown,
                f"{server.url.replace('127.0.0.1', 'localhost')}/lab/tree/{path}?reset",
                name,
                demo.password(name),
            )
            shown.locator(".jp-Notebook .jp-Cell").first.wait_for(timeout=60_000)
            open_panel(shown)
            return shown

        yield open_as


def run_all(shown):
    shown.get_by_role("menuitem", name="Run", exact=True).click()
    shown.get_by_role("menuitem", name=re.compile("Run All Cells")).first.click()


def run_cell(shown, code, level="G3"):
    """Insert a cell and run it, once the panel tells the kernel's level: a cell that runs before asks for a kernel."""
    panel(shown).get_by_text(level, exact=True).first.wait_for(timeout=60_000)
    shown.locator(".jp-Notebook .jp-Cell").first.click()
    shown.keyboard.press("Escape")
    shown.keyboard.press("a")
    shown.keyboard.press("Enter")
    shown.keyboard.insert_text(code)
    shown.keyboard.press("Shift+Enter")


def panel(shown):
    return shown.get_by_role("region", name="Secure Data")


def test_the_sidebar_follows_the_first_notebook_from_top_to_bottom(lab):
    shown = lab("scientist")
    sidebar = panel(shown)
    sidebar.get_by_text("Sam Scientist").wait_for()
    sidebar.get_by_text("G3", exact=True).first.wait_for()
    run_all(shown)
    log = sidebar.get_by_role("table", name="Access log of this notebook")
    log.get_by_role("row", name=re.compile("Load delivered.*patients v1.*masked")).first.wait_for(timeout=60_000)
    log.get_by_role("row", name=re.compile("payroll.*refused.*ask a data steward")).first.wait_for()
    log.get_by_role("row", name=re.compile("Query answered")).first.wait_for(timeout=60_000)
    lineage = sidebar.get_by_role("region", name="Lineage")
    for name in ("patients", "01-first-load.ipynb"):
        lineage.get_by_text(re.compile(name)).first.wait_for(state="attached")
    assert sidebar.get_by_role("meter").count() >= 1


def test_the_log_is_live(lab):
    shown = lab("engineer", "second.ipynb")
    rows = panel(shown).get_by_role("table", name="Access log of this notebook").get_by_role("row")
    run_cell(shown, "%secure_load nothing_of_that_name")
    rows.filter(has_text="nothing_of_that_name").first.wait_for()


def test_why_is_answered_in_place(lab):
    shown = lab("scientist")
    sidebar = panel(shown)
    sidebar.get_by_text(re.compile("21 columns")).click()
    sidebar.get_by_role("button", name="Why is ssn left out?").click()
    sidebar.get_by_text(re.compile("numbers-stay-with-stewards")).first.wait_for()


def test_a_cell_is_inserted_and_runs(lab):
    shown = lab("scientist")
    panel(shown).get_by_role("button", name=re.compile("^Insert patients = %secure_load")).click()
    shown.get_by_text(re.compile(r"patients = %secure_load patients")).nth(1).wait_for()


def test_an_officer_sees_everybodys_entries_and_no_dataset(lab):
    shown = lab("scientist")
    run_cell(shown, "%secure_load payroll")
    panel(shown).get_by_role("row", name=re.compile("payroll")).first.wait_for()
    officer = panel(lab("officer"))
    officer.get_by_role("row", name=re.compile("payroll")).first.wait_for()
    officer.get_by_text(re.compile("No dataset is permitted to you")).wait_for()
    officer.get_by_role("status").first.wait_for(state="attached")


def test_a_locked_vault_is_unlocked_in_the_sidebar(lab, server):
    shown = lab("scientist", "second.ipynb")
    # JupyterLab takes the focus once its kernel has started, so that has to be over.
    panel(shown).get_by_text("G3", exact=True).first.wait_for(timeout=60_000)
    os.kill(server.broker(), signal.SIGKILL)
    field = panel(shown).get_by_label("Passphrase")
    field.wait_for(timeout=60_000)
    field.fill("not the passphrase")
    field.press("Enter")
    panel(shown).get_by_text(re.compile("does not open the vault")).wait_for()
    field.fill(demo.PASSPHRASE)
    field.press("Enter")
    field.wait_for(state="detached")
    panel(shown).get_by_text(re.compile("1,629 rows")).wait_for()


QUESTION = "%%secure_sql --epsilon 0.2\nSELECT sex, COUNT(*) AS n, AVG(age_1971) FROM patients GROUP BY sex"


def write_cell(shown, code):
    """Insert a cell that is not run, and leave it: the mouse over the menu, another cell active."""
    panel(shown).get_by_text("G3", exact=True).first.wait_for(timeout=60_000)
    shown.locator(".jp-Notebook .jp-Cell").first.click()
    shown.keyboard.press("Escape")
    shown.keyboard.press("a")
    shown.keyboard.press("Enter")
    shown.keyboard.insert_text(code)
    shown.keyboard.press("Escape")
    shown.keyboard.press("ArrowDown")
    shown.mouse.move(5, 5)
    return shown.locator(".jp-Notebook .jp-CodeCell", has_text=code.partition("\n")[0]).first


def spent(shown):
    return panel(shown).get_by_role("meter", name="patients, you").get_attribute("aria-valuenow")


def test_a_question_under_the_mouse_says_what_it_would_cost(lab):
    shown = lab("scientist", "second.ipynb")
    cell = write_cell(shown, QUESTION)
    foot = panel(shown).get_by_role("region", name="The question in front")
    foot.wait_for(state="detached")
    before = spent(shown)
    cell.hover()
    foot.get_by_text("ε 0.2 at δ 1e-6", exact=True).wait_for()
    foot.get_by_text("SELECT sex, COUNT(*) AS n").wait_for()
    text = foot.inner_text()
    assert re.search(r"Left for one question: ε [\d.]+ \(you\)\.", text), text
    assert re.search(r"Groups of fewer than \d+ drown in the noise\.", text), text
    margins = foot.get_by_role("table", name="Margins of error to expect")
    assert re.search(r"n\s+± \d", margins.inner_text())
    log = panel(shown).get_by_role("table", name="Access log of this notebook")
    log.get_by_role("row", name=re.compile("Price of a query asked.*patients v1")).first.wait_for()
    assert spent(shown) == before
    assert not cell.locator(".jp-OutputArea-output").count()
    panel(shown).get_by_role("button", name="Refresh Secure Data").hover()  # on the way to the sidebar it stays
    foot.get_by_role("table").wait_for()


def test_a_price_is_told_while_a_cell_runs_and_changes_with_the_text(lab):
    shown = lab("scientist", "second.ipynb")
    cell = write_cell(shown, QUESTION)
    run_cell(shown, "import time; time.sleep(40); print('slept to ' 'the end')")
    foot = panel(shown).get_by_role("region", name="The question in front")
    cell.hover()
    foot.get_by_text("ε 0.2 at δ 1e-6", exact=True).wait_for()
    cell.locator(".cm-content").click()
    shown.keyboard.press("Control+a")
    shown.keyboard.insert_text("%%secure_sql\nSELECT AVG(height) FROM patients")
    foot.get_by_text(re.compile("No preview. There is no column height here")).wait_for()
    shown.keyboard.press("Control+a")
    shown.keyboard.insert_text("%%secure_sql --epsilon 40\nSELECT COUNT(*) FROM patients")
    foot.get_by_text("More than is left").wait_for()
    assert not foot.get_by_text("last quarter").count()
    shown.keyboard.press("Control+a")
    shown.keyboard.insert_text("%%secure_sql --epsilon 1.15\nSELECT COUNT(*) FROM patients")
    foot.get_by_text("That spends from the last quarter of the budget (you).").wait_for()
    assert not shown.get_by_text("slept to the end").count()  # all of it while the main thread slept
    shown.keyboard.press("Control+a")
    shown.keyboard.insert_text("1 + 1")
    foot.wait_for(state="detached")


def test_a_page_that_opens_while_a_cell_runs_says_so_and_tells_the_price_afterwards(lab):
    run_cell(lab("scientist", "second.ipynb"), "import time; time.sleep(45)")
    shown = lab("scientist", "second.ipynb")
    cell = write_cell(shown, QUESTION)
    foot = panel(shown).get_by_role("region", name="The question in front")
    cell.hover()
    foot.get_by_text(re.compile("running something since before this page opened")).wait_for()
    foot.get_by_text("ε 0.2 at δ 1e-6", exact=True).wait_for()


def test_every_control_is_reached_by_keyboard(lab):
    shown = lab("scientist")
    panel(shown).get_by_text(re.compile("1,629 rows")).wait_for()
    take_focus(panel(shown).get_by_role("button", name="Refresh Secure Data"))
    reached = set()
    for _ in range(60):
        shown.keyboard.press("Tab")
        reached.add(
            shown.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.textContent")
        )
    text = " ".join(filter(None, reached))
    for name in ("Identity and guard", "Datasets", "Access log", "Lineage", "budget", "Insert"):
        assert name.lower() in text.lower(), (name, reached)


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_text_can_be_read_in_both_themes(lab, theme):
    shown = lab("scientist")
    choose_theme(shown, theme)
    panel(shown).get_by_text(re.compile("1,629 rows")).wait_for()
    shown.wait_for_timeout(1000)
    ratios = shown.evaluate(CONTRAST)
    assert ratios
    assert min(ratio for _, ratio in ratios) >= 3.0, sorted(ratios, key=lambda item: item[1])[:5]


def choose_theme(shown, theme):
    shown.get_by_role("menuitem", name="Settings", exact=True).click()
    shown.locator(".lm-Menu-item", has_text="Theme").first.hover()
    shown.locator(".lm-Menu-item", has_text=re.compile(f"^{theme}$")).click()


# WCAG 2.2 contrast of every visible text in the sidebar against the nearest painted background.
CONTRAST = """() => {
  const parse = text => (text.match(/[\\d.]+/g) || []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
    .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const background = node => {
    for (let at = node; at; at = at.parentElement) {
      const colour = parse(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.9) return colour;
    }
    return [255, 255, 255];
  };
  const out = [];
  const root = document.getElementById('jupyter-secure');
  for (const node of root.querySelectorAll('*')) {
    const own = [...node.childNodes].some(child => child.nodeType === 3 && child.textContent.trim());
    const box = node.getBoundingClientRect();
    if (!own || box.width < 2 || box.height < 2) continue;
    const [a, b] = [light(parse(getComputedStyle(node).color)), light(background(node))];
    out.push([node.textContent.slice(0, 30), (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)]);
  }
  return out;
}"""
