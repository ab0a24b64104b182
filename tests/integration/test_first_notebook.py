"""The main job through the real server, guard, kernel, broker and worker: notebook 01, and what goes wrong."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_secure.cli import demo
from tests.integration import demo_server
from tests.integration.demo_server import NOTEBOOK, KernelSession
from tests.integration.server_process import REPOSITORY, free_port

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def server(folder):
    server = demo_server.start(folder)
    try:
        yield server
    finally:
        server.stop()
        demo_server.verify(folder)


def session(server, name, path=NOTEBOOK):
    return KernelSession(server.person(name, demo.password(name)), path)


@pytest.fixture
def scientist(server):
    opened = session(server, "scientist")
    yield opened
    opened.close()


def test_notebook_01_runs_from_top_to_bottom(scientist):
    notebook = json.loads((REPOSITORY / "notebooks" / NOTEBOOK).read_text())
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            _, reply = scientist.run("".join(cell["source"]))
            expected = "error" if "raises-exception" in cell["metadata"].get("tags", ()) else "ok"
            assert reply["status"] == expected, (cell["source"], reply)
    assert scientist.text("df.shape, df.name.unique().tolist()") == "((1629, 19), ['***'])"


def test_the_kernel_is_at_the_highest_level_this_computer_can_enforce(scientist):
    assert "G3" in scientist.text("%secure_status")


@pytest.mark.parametrize(
    ("name", "expression", "expected"),
    [
        ("steward", "df.ssn.notna().all()", "True"),
        ("scientist", "'ssn' in df", "False"),
        ("engineer", "df.name.isna().all()", "True"),
    ],
)
def test_the_same_load_gives_each_person_another_view(server, name, expression, expected):
    opened = session(server, name, f"{name}.ipynb")
    assert expected in opened.text(f"df = %secure_load patients\n{expression}")
    opened.close()


def test_an_officer_loads_nothing_and_reads_everybodys_log(server, scientist):
    scientist.run("df = %secure_load patients")
    opened = session(server, "officer", "audit.ipynb")
    refused = opened.text("%secure_load patients")
    assert refused.replace("patients", "X") == opened.text("%secure_load payroll").replace("payroll", "X")
    entries = opened.browser.get(f"/jupyter_secure/log?path={NOTEBOOK}").json()["entries"]
    assert {entry["personal"]["user"] for entry in entries} == {"scientist"}
    opened.close()


def test_a_refusal_is_one_sentence_without_a_traceback(scientist):
    shown = scientist.text("%secure_load payroll")
    assert "ask a data steward" in shown
    assert "Traceback" not in shown
    assert "site-packages" not in shown
    assert len(shown.splitlines()) == 1


def test_synthetic_rows_have_the_columns_of_the_view_and_are_paid_for_once(scientist):
    said = scientist.text("made = %secure_load patients --as synthetic --epsilon 0.5 --target quit_smoking")
    assert "made-up rows, epsilon 0.5." in said
    assert "Random tokens: patient_id, email." in said
    scientist.run("real = %secure_load patients --quiet")
    assert scientist.text("list(made.columns.intersection(real.columns)) == list(real.columns)") == "True"
    differ = "{name for name in real if made[name].dtype != real[name].dtype and real[name].notna().all()}"
    assert scientist.text(differ) == "set()"
    assert scientist.text("set(made.patient_id) & set(real.patient_id)") == "set()"
    assert "free, from the record" in scientist.text(
        "again = %secure_load patients --as synthetic --epsilon 0.5 --target quit_smoking"
    )
    assert scientist.text("again.equals(made)") == "True"
    assert "go with `--as synthetic`" in scientist.text("%secure_load patients --rows 5")
    assert "epsilon" in scientist.text("%secure_load patients --as synthetic --preview")


def test_frames_columns_and_functions(scientist):
    shown = scientist.text(
        "import jupyter_secure\n"
        "t = jupyter_secure.load('patients', columns=['zip', 'height_cm'], frame='arrow')\n"
        "p = jupyter_secure.load('patients', columns=['zip'], frame='polars')\n"
        "t.column_names, type(p).__module__.split('.')[0], p.height"
    )
    assert shown.endswith("(['zip', 'height_cm'], 'polars', 1629)")


def test_completion_offers_what_the_person_may_use(scientist):
    def complete(code):
        number = scientist.send("shell", "complete_request", code=code, cursor_pos=len(code))
        while True:
            message = json.loads(scientist.socket.recv())
            if message["parent_header"].get("msg_id") == number and message["msg_type"] == "complete_reply":
                return message["content"]["matches"]

    assert complete("%secure_load pat") == ["patients"]
    assert complete("%secure_load patients --as ") == ["masked", "dp", "synthetic"]
    assert complete("%secure_load patients --purpose ") == ["cohort-study"]
    assert "birth_date" in " ".join(complete("%secure_load patients --columns bir"))


def test_nothing_in_the_kernel_leads_to_keys_tokens_or_files(server, scientist):
    shown = scientist.text(
        "import os, pathlib\n"
        f"vault = pathlib.Path({str(server.vault)!r})\n"
        "print(vault.exists(), [name for name in os.environ if 'TOKEN' in name or 'SECURE' in name])"
    )
    assert shown.strip() == "False []"


def test_two_kernels_of_two_people_at_once_do_not_mix(server):
    pair = [session(server, "scientist", "one.ipynb"), session(server, "engineer", "two.ipynb")]
    for opened in pair * 3:
        opened.run("df = %secure_load patients --columns patient_id,name")
    names = [opened.text("df.name.iloc[0]") for opened in pair]
    assert names[0] != names[1]
    for opened in pair:
        opened.close()


def test_a_restarted_kernel_has_a_new_grant_and_works(scientist):
    scientist.run("df = %secure_load patients")
    assert scientist.browser.post(f"/api/kernels/{scientist.id}/restart").status_code == 200
    scientist.socket.close()
    scientist.socket = scientist.browser.socket(f"/api/kernels/{scientist.id}/channels?session_id=again")
    assert "NameError" in scientist.text("df")
    assert scientist.text("df = %secure_load patients\nlen(df)").endswith("1629")


def is_locked(answer):
    """Say whether there is a broker again, which knows no passphrase yet."""
    return answer.ok and answer.json()["vault"] == "locked"


def test_a_broker_killed_under_load_comes_back_and_loses_nothing(server, folder):
    opened = session(server, "scientist", "killed.ipynb")
    opened.run("df = %secure_load patients")
    os.kill(server.broker(), signal.SIGKILL)
    shown = opened.text("%secure_load patients")
    assert "broker" in shown.lower()
    locked = opened.browser.until("/jupyter_secure/session", is_locked)
    assert locked.status_code == 200
    assert "locked" in opened.text("%secure_load patients").lower()
    answer = opened.browser.post("/jupyter_secure/unlock", json={"passphrase": "not the passphrase"})
    assert answer.status_code == 403
    answer = opened.browser.post("/jupyter_secure/unlock", json={"passphrase": demo.PASSPHRASE})
    assert answer.status_code == 200, answer.text
    assert opened.text("df = %secure_load patients\nlen(df)").endswith("1629")
    opened.close()


def test_saved_notebook_and_runtime_files_hold_no_key(server, folder):
    secrets = [demo.PASSPHRASE.encode(), demo.password("scientist").encode()]
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink():
            content = path.read_bytes()
            assert not any(secret in content for secret in secrets), path


def test_plain_ipython_says_what_is_missing():
    code = "%load_ext jupyter_secure\n%secure_load patients"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=nocolor", "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "There is no secure channel here" in done.stdout
    assert "Traceback" not in done.stdout + done.stderr


def test_ctrl_c_leaves_no_process_behind(tmp_path):
    environment = {**os.environ, "JUPYTER_CONFIG_PATH": str(enable(tmp_path)), "HOME": str(tmp_path)}
    with subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyter_secure.cli.main", "demo", "--no-browser"),
            *("--folder", str(tmp_path / "demo"), "--port", str(free_port())),
        ],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509 - as a terminal would
    ) as started:
        for line in started.stderr:
            if "is running at" in line:
                break
        before = descendants(started.pid)
        assert any(b"jupyter_secure.broker" in command for command in before.values())
        started.send_signal(signal.SIGINT)
        started.stderr.read()
        assert started.wait(timeout=30) in {0, 130, -signal.SIGINT}  # a shell calls the last two by one number
    assert len(before) >= 3  # broker and two workers
    assert running(before) == []


def descendants(root):
    """Return process id and command of everything below a process."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                parents[int(entry.name)] = (parent, (entry / "cmdline").read_bytes())
    found, frontier = {}, {root}
    while frontier:
        frontier = {pid for pid, (parent, _) in parents.items() if parent in frontier}
        found |= {pid: parents[pid][1] for pid in frontier}
    return found


def running(before):
    """Return those that still run the same command."""
    alive = []
    for pid, command in before.items():
        with contextlib.suppress(OSError):
            if Path(f"/proc/{pid}/cmdline").read_bytes() == command:
                alive.append(command)
    return alive


def enable(folder):
    place = folder / "etc" / "jupyter_server_config.d"
    place.mkdir(parents=True)
    source = REPOSITORY / "jupyter-config" / "server-config" / "jupyter_secure.json"
    (place / source.name).write_bytes(source.read_bytes())
    return folder / "etc"
