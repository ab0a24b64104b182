"""What a cell shows of served values does not reach the file: the real server, guard, kernel, broker and worker."""

import contextlib
import json
import os
import signal
import time

import pytest

from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.vault import Vault
from jupyter_secure.cli import demo
from tests.integration import demo_server
from tests.integration.demo_server import KernelSession
from tests.integration.server_process import REPOSITORY, Server

pytestmark = pytest.mark.slow

DEMO = (REPOSITORY / "jupyter_secure" / "cli" / "demo_policy.toml").read_text()
POLICY = '{}\n[outputs]\non_match = "{}"\n'
LOAD = "df = %secure_load patients --as raw --quiet"
SHOW = """from IPython.display import HTML, display
display(df.head(3))
print(df.name[5], df.ssn[5])
raise KeyError(df.email[7])"""


@contextlib.contextmanager
def serving(folder):
    demo.make_vault(folder / "vault")
    apply(folder, "strip")
    server = Server(folder, program="jupyterlab", passphrase=demo.PASSPHRASE, vault=folder / "vault")
    try:
        yield server.wait_until_ready()
    finally:
        server.stop()
        demo_server.verify(folder)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("outputs")) as server:
        yield server


def apply(folder, action):
    with Vault.open_locked(folder / "vault") as vault:
        vault.unlock(demo.PASSPHRASE)
        Policies(vault).apply(POLICY.format(DEMO, action))


@pytest.fixture(scope="module")
def steward(server):
    return server.person("steward", demo.password("steward"))


@pytest.fixture(scope="module")
def shown(steward):
    with showing(steward) as shown:
        yield shown


@contextlib.contextmanager
def showing(person):
    """A notebook whose outputs show raw values, as JupyterLab would save it, and the values."""
    kernel = KernelSession(person, "study.ipynb")
    try:
        yield _shown(kernel)
    finally:
        kernel.close()


def _shown(kernel):
    kernel.text(LOAD)
    messages, _ = kernel.run(SHOW)
    values = json.loads(kernel.text("import json; print(json.dumps([df.name[0], df.name[5], df.ssn[5], df.email[7]]))"))
    outputs = [
        {"output_type": each["msg_type"], **each["content"]}
        for each in messages
        if each["msg_type"] in {"stream", "display_data", "error"}
    ]
    for each in outputs:
        each.pop("transient", None)
    return notebook(outputs), values


def notebook(outputs):
    code = {"cell_type": "code", "id": "a", "execution_count": 1, "metadata": {}, "source": SHOW, "outputs": outputs}
    plain = {"output_type": "stream", "name": "stdout", "text": "fourty-two is the answer\n"}
    other = {**code, "id": "b", "source": "print(42)", "outputs": [plain]}
    return {"cells": [code, other], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


def save(person, content, path="study.ipynb"):
    return person.put(f"/api/contents/{path}", json={"type": "notebook", "format": "json", "content": content})


def test_values_are_on_the_screen_and_not_in_the_file_the_checkpoint_or_the_download(server, steward, shown):
    content, values = shown
    assert all(value in json.dumps(content) for value in values)
    assert save(steward, content).status_code in {200, 201}
    steward.post("/api/contents/study.ipynb/checkpoints").raise_for_status()
    files = [path for path in server.root.rglob("study*.ipynb") if path.is_file()]
    assert len(files) == 2
    texts = [path.read_text() for path in files] + [steward.get("/files/study.ipynb?download=1").text]
    texts.append(steward.get("/nbconvert/html/study.ipynb?download=1").text)
    for text in texts:
        assert not [value for value in values if value in text]
        assert "fourty-two is the answer" in text
    saved = json.loads((server.root / "study.ipynb").read_text())
    left = ["".join(each["text"]) for each in saved["cells"][0]["outputs"]]
    assert all("left this output out of the saved file: it shows" in each and "of patients (" in each for each in left)
    assert "".join(saved["cells"][0]["source"]) == SHOW
    log = steward.get("/jupyter_secure/log", params={"path": "study.ipynb"}).json()
    kinds = [entry["header"]["kind"] for entry in log["entries"]]
    assert "outputs.compared" in kinds


def test_an_upload_as_a_plain_file_is_no_way_round(server, steward, shown):
    content, values = shown
    body = {"type": "file", "format": "text", "content": json.dumps(content)}
    assert steward.put("/api/contents/round.ipynb", json=body).status_code == 201
    text = (server.root / "round.ipynb").read_text()
    assert not [value for value in values if value in text]


def test_another_person_who_was_served_nothing_saves_what_he_likes(server, shown):
    content, values = shown
    officer = server.person("officer", demo.password("officer"))
    assert save(officer, content, "typed.ipynb").status_code == 201
    assert values[1] in (server.root / "typed.ipynb").read_text()


def test_a_refusal_says_what_to_do_and_writes_nothing(server, steward, shown):
    content, _ = shown
    apply(server.folder, "refuse")
    try:
        answer = save(steward, content, "refused.ipynb")
        assert answer.status_code == 409
        assert "Clear these outputs and save again" in answer.json()["message"]
        assert not (server.root / "refused.ipynb").exists()
        cleared = {**content, "cells": [{**content["cells"][0], "outputs": []}, content["cells"][1]]}
        assert save(steward, cleared, "refused.ipynb").status_code == 201
        assert save(steward, content, "refused.ipynb").status_code == 409
        assert "fourty-two" in (server.root / "refused.ipynb").read_text()
    finally:
        apply(server.folder, "strip")


@pytest.mark.parametrize("content", [{}, {"cells": 3}, {"cells": [{"outputs": "x"}]}])
def test_a_broken_notebook_is_answered_by_jupyter_as_ever(steward, content):
    assert save(steward, content, "broken.ipynb").status_code in {200, 201, 400, 500}
    assert steward.get("/api/status").status_code == 200


def test_without_a_broker_and_after_it_came_back_new_outputs_are_not_written_and_the_rest_is(tmp_path):
    with serving(tmp_path) as server:
        steward = server.person("steward", demo.password("steward"))
        with showing(steward) as shown:
            broker_goes_and_comes_back(server, steward, *shown)


def broker_goes_and_comes_back(server, steward, content, values):
    os.kill(server.broker(), signal.SIGKILL)
    try:
        away = save(steward, content, "away.ipynb")
    finally:
        steward.until("/jupyter_secure/session", lambda it: it.status_code == 200, seconds=60)
        body = {"passphrase": demo.PASSPHRASE}
        for _ in range(100):  # the one that was killed may have answered last
            if steward.post("/jupyter_secure/unlock", json=body).status_code == 200:
                break
            time.sleep(0.2)
    back = save(steward, content, "back.ipynb")  # the kernel is the one from before
    # Who cannot be told who he is saves nothing; the notebook stays in the browser.
    assert (away.status_code, back.status_code) == (503, 201)
    assert not (server.root / "away.ipynb").exists()
    text = (server.root / "back.ipynb").read_text()
    assert not [value for value in values if value in text]
    assert "raise KeyError" in text
    assert "restart them and run the cells again" in text
