"""`jupyter secure doctor --hub` on the real Hub: what an operator sees, and what it says of the Hub's tokens."""

import json
import os
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow


def doctor(hub, home, token=None):
    environment = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTERHUB")}
    environment |= {"HOME": str(home)} | ({"JUPYTERHUB_API_TOKEN": token} if token else {})
    done = subprocess.run(
        [
            *(sys.executable, "-m", "jupyter_secure.cli.main", "doctor", "--json", "--hub", hub.broker),
            *("--ca", str(hub.authority.path), "--hub-api", hub.api),
        ],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = json.loads(done.stdout)
    assert token is None or token not in done.stdout
    return done.returncode, {finding["check"]: finding for finding in reversed(found["findings"])}


def test_a_hub_that_is_well(hub, tmp_path):
    status, found = doctor(hub, tmp_path)
    assert status == 0, found
    assert {name for name, finding in found.items() if finding["state"] == "unknown"} == {"token", "rights"}
    assert "JupyterHub 6." in found["hub"]["found"]


def test_a_token_that_a_person_made_opens_no_kernel_and_the_doctor_says_so(hub, tmp_path):
    status, found = doctor(hub, tmp_path, hub.token("scientist")["token"])
    assert status == 1
    assert found["token"]["state"] == "bad"


def test_the_token_of_a_server_is_as_it_should_be(hub, tmp_path, person):
    scientist = person("scientist")
    scopes = ["access:servers!server=scientist/", "custom:jupyter-secure:role:scientist"]
    status, found = doctor(hub, tmp_path, hub.token(scientist.name, scopes=scopes)["token"])
    assert (status, found["token"]["state"]) == (0, "good"), found
