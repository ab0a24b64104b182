"""`pip install jupyter-secure` alone: the built wheel in an empty environment enables server, sidebar and guard."""

import os
import subprocess
import sys
import zipfile

import pytest

from tests.integration.server_process import REPOSITORY

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    out = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out), str(REPOSITORY)],
        check=True,
        capture_output=True,
    )
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def environment(wheel, tmp_path_factory):
    place = tmp_path_factory.mktemp("environment") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
    constraints = REPOSITORY / "setup" / "constraints.txt"
    subprocess.run(
        [place / "bin" / "pip", "install", "-q", "--disable-pip-version-check", "-c", constraints, f"{wheel}[lab]"],
        check=True,
    )
    return place


def run(environment, *command):
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("JUPYTER", "PYTHON", "VIRTUAL"))}
    return subprocess.run(
        [environment / "bin" / command[0], *command[1:]],
        capture_output=True,
        text=True,
        check=True,
        cwd="/",
        env={**clean, "PATH": f"{environment / 'bin'}:{os.environ['PATH']}"},
    )


def test_the_wheel_holds_every_part_and_no_test(wheel):
    names = zipfile.ZipFile(wheel).namelist()
    for part in (
        "data/share/jupyter/labextensions/jupyter-secure/package.json",
        "data/share/jupyter/labextensions/jupyter-secure/install.json",
        "data/etc/jupyter/jupyter_server_config.d/jupyter_secure.json",
        "jupyter_secure/notebooks/01-first-load.ipynb",
        "jupyter_secure/cli/demo_policy.toml",
        "jupyter_secure/server/events/changed.yaml",
        "jupyter_secure/broker/store/migrations/versions/0001_initial.py",
    ):
        assert any(name.endswith(part) for name in names), part
    assert not any(name.startswith(("tests/", "benchmarks/")) or "node_modules" in name for name in names)


def test_the_server_extension_is_enabled_and_loads(environment):
    shown = run(environment, "jupyter-server", "extension", "list")
    assert "jupyter_secure enabled" in (shown.stdout + shown.stderr).replace("\x1b[32m", "").replace("\x1b[0m", "")


def test_the_sidebar_is_enabled(environment):
    shown = run(environment, "jupyter-labextension", "list")
    assert "jupyter-secure v" in shown.stdout + shown.stderr


def test_the_provisioner_is_found(environment):
    code = (
        "from importlib.metadata import entry_points as found; "
        "print([it.load().__name__ for it in found(group='jupyter_client.kernel_provisioners', name='jupyter-secure')])"
    )
    assert run(environment, "python", "-c", code).stdout.strip() == "['GuardProvisioner']"


def test_the_command_is_found_by_jupyter(environment):
    assert run(environment, "jupyter", "secure", "--version").stdout.strip()
