"""JupyterLab on the demo's vault: the real server, guard, kernels, broker and workers."""

import json
import shutil
import time
import uuid

from jupyter_secure.broker.audit.verify import verify as verify_log
from jupyter_secure.broker.keys.keychain import Purpose
from jupyter_secure.broker.ledger.verify import verify as verify_ledger
from jupyter_secure.broker.vault import Vault
from jupyter_secure.cli import demo
from tests.integration.server_process import REPOSITORY, Server

NOTEBOOK = "01-first-load.ipynb"


def start(folder):
    """Make the demo's vault in a folder and start JupyterLab on it."""
    vault = folder / "vault"
    demo.make_vault(vault)
    server = Server(folder, program="jupyterlab", passphrase=demo.PASSPHRASE, vault=vault)
    shutil.copy(REPOSITORY / "notebooks" / NOTEBOOK, server.root)
    return server.wait_until_ready()


def verify(folder):
    """Check the whole log and the whole ledger of a vault that nobody has open."""
    with Vault.open_locked(folder / "vault") as vault:
        report = verify_log(vault.engine, vault.verifier(Purpose.LOG).public)
        assert report.verified, report.problems
        verify_ledger(vault.engine)


class KernelSession:
    """A notebook's kernel over a websocket, as JupyterLab talks to it."""

    def __init__(self, browser, path=NOTEBOOK):
        self.browser = browser
        self.model = browser.start_kernel(path)
        self.id = self.model["kernel"]["id"]
        self.socket = browser.socket(f"/api/kernels/{self.id}/channels?session_id={uuid.uuid4().hex}")

    def run(self, code, timeout=60):
        """Run a cell; return its messages of iopub, and the reply's content."""
        number = self.send("shell", "execute_request", code=code, silent=False, store_history=True, allow_stdin=False)
        messages, reply = [], None
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            message = json.loads(self.socket.recv())
            if message["parent_header"].get("msg_id") != number:
                continue
            if message["channel"] == "iopub":
                messages.append(message)
                if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle" and reply:
                    return messages, reply
            elif message["msg_type"] == "execute_reply":
                reply = message["content"]
                if any(
                    item["msg_type"] == "status" and item["content"]["execution_state"] == "idle" for item in messages
                ):
                    return messages, reply
        raise AssertionError(f"no answer to {code!r}")

    def reply_to(self, number):
        """Wait for the reply to a request on the shell channel."""
        while True:
            message = json.loads(self.socket.recv())
            if message["parent_header"].get("msg_id") == number and message["msg_type"] == "execute_reply":
                return message["content"]

    def text(self, code, timeout=60):
        """Run a cell and return all that it shows as text."""
        messages, _ = self.run(code, timeout)
        shown = []
        for message in messages:
            content = message["content"]
            if message["msg_type"] == "stream":
                shown.append(content["text"])
            elif message["msg_type"] in {"display_data", "execute_result"}:
                shown.append(content["data"].get("text/plain", ""))
            elif message["msg_type"] == "error":
                shown.append("\n".join(content["traceback"]) or f"{content['ename']}: {content['evalue']}")
        return "\n".join(shown)

    def send(self, channel, kind, **content):
        number = uuid.uuid4().hex
        header = {"msg_id": number, "msg_type": kind, "username": "", "session": "s", "date": "", "version": "5.3"}
        message = {"header": header, "parent_header": {}, "metadata": {}, "content": content, "channel": channel}
        self.socket.send(json.dumps({**message, "buffers": []}))
        return number

    def close(self):
        self.socket.close()
        self.browser.delete(f"/api/sessions/{self.model['id']}")
