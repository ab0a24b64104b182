"""Facts read from this machine."""

import os
import sys
from pathlib import Path

import pytest

from jupyter_secure.guard import mounts, survey
from jupyter_secure.guard.plan import Stack, inside
from jupyter_secure.protocol.errors import GuardError


def gather(root, command=(sys.executable,), **more):
    given = {"notebook": str(root), "spec_folder": "", "hidden": (), **more}
    return survey.gather(root=str(root), command=command, **given)


@pytest.fixture
def home(tmp_path, monkeypatch):
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "XDG_DATA_HOME", "XDG_RUNTIME_DIR"):
        monkeypatch.delenv(name, raising=False)
    return home


@pytest.fixture
def work(tmp_path):
    work = tmp_path / "work"
    work.mkdir()
    return work


def test_the_python_of_this_process_and_our_package_are_code(work):
    code = gather(work).code
    for path in (sys.prefix, os.path.realpath(sys.base_prefix), survey.PACKAGE, os.path.realpath(sys.executable)):
        assert any(inside(path, folder) for folder in (*code, "/usr"))


def test_a_checkout_above_our_package_is_not_code(work):
    above = str(Path(survey.PACKAGE).parent)
    assert above not in gather(work).code


def test_keys_and_jupyters_own_folders_are_hidden(home, work):
    for name in (".ssh", ".jupyter", ".local/share/jupyter/runtime"):
        (home / name).mkdir(parents=True)
    vault = home / "vault"
    vault.mkdir()
    hidden = gather(work, hidden=[vault]).hidden
    assert {str(home / ".ssh"), str(home / ".jupyter"), str(home / ".local/share/jupyter"), str(vault)} <= set(hidden)


def test_links_are_resolved_before_anything_is_decided(home, work, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(home)
    assert gather(link).root == str(home)


def test_a_notebook_folder_that_leads_out_of_the_root_is_not_followed(home, work):
    (work / "away").symlink_to(home)
    assert gather(work, notebook=str(work / "away")).notebook == str(work)


def test_a_kernel_program_beside_private_files_is_refused(home, work):
    (home / ".ssh").mkdir()
    (home / "pyvenv.cfg").write_text("home = /usr/bin\n")
    program = home / "bin" / "python"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    with pytest.raises(GuardError, match="private files"):
        gather(work, command=[str(program)])


def test_another_environment_is_given_with_the_installation_it_borrows_from(home, work, tmp_path):
    other = tmp_path / "other"
    (other / "bin").mkdir(parents=True)
    (other / "pyvenv.cfg").write_text("home = elsewhere\n")
    base = tmp_path / "base" / "bin"
    base.mkdir(parents=True)
    (base / "python3").write_text("#!/bin/sh\n")
    (base / "python3").chmod(0o755)
    (other / "bin" / "python").symlink_to(base / "python3")
    code = gather(work, command=[str(other / "bin" / "python")]).code
    assert {str(other), str(base.parent)} <= set(code)


def test_without_a_namespace_the_persons_other_threads_count_too():
    assert survey.threads_counted(Stack.LAUNCHER) >= 1


def test_what_runs_later_is_found_on_the_way_to_the_notebook(work):
    (work / ".git").mkdir()
    (work / "a" / "b").mkdir(parents=True)
    (work / "a" / ".vscode").mkdir()
    found = gather(work, notebook=str(work / "a" / "b")).run_later
    assert found == (f"{work}/.git", f"{work}/a/.vscode")


def mounted(monkeypatch, tmp_path, point, kind):
    """Say in a table of mounts that a file system of this kind lies on a folder."""
    table = tmp_path / "mountinfo"
    escaped = str(point).replace(" ", r"\040")
    table.write_text(
        f"{mounts.TABLE.read_text()}9 1 0:9 / {escaped} rw,relatime shared:1 - {kind} server:/share rw,vers=4\n"
    )
    monkeypatch.setattr(mounts, "TABLE", table)


@pytest.mark.parametrize("kind", ["nfs4", "cifs", "fuse.sshfs", "9p"])
def test_a_folder_on_a_network_mount_is_known_as_one(work, tmp_path, monkeypatch, kind):
    far = tmp_path / "far away"
    (far / "below").mkdir(parents=True)
    mounted(monkeypatch, tmp_path, far, kind)
    assert mounts.network_kind(str(far)) == kind
    assert gather(far / "below").network_kinds[str(far / "below")] == kind
    assert gather(work).network_kinds[str(work)] == ""


def test_a_folder_of_this_computer_over_a_network_mount_is_none(work, tmp_path, monkeypatch):
    mounted(monkeypatch, tmp_path, tmp_path, "nfs4")
    mounted(monkeypatch, tmp_path, work, "ext4")
    assert mounts.network_kind(str(tmp_path)) == "nfs4"
    assert mounts.network_kind(str(work)) == ""


def test_a_folder_that_only_begins_like_a_mount_does_not_lie_on_it(tmp_path, monkeypatch):
    mounted(monkeypatch, tmp_path, tmp_path / "far", "nfs4")
    assert mounts.network_kind(str(tmp_path / "farther")) == ""
