"""Cgroups of kernels: the logic on a folder that looks like one, moving and removing on a real one if there is one."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jupyter_secure.guard import cgroup, level, mounts, outside
from jupyter_secure.guard.cgroup import CONTROLLERS, Delegation, GroupLimits, KernelGroup
from jupyter_secure.protocol.errors import GuardError

ALL = "cpuset cpu io memory pids"


def folder_like_a_cgroup(path, controllers=ALL, handed_on=ALL, processes=""):
    path.mkdir(parents=True, exist_ok=True)
    values = {"controllers": controllers, "subtree_control": handed_on, "procs": processes}
    for name, value in values.items():
        (path / f"cgroup.{name}").write_text(value)
    return path


@pytest.fixture
def person(tmp_path, monkeypatch):
    """An ordinary person whose session is imitated below `tmp_path`."""
    table = tmp_path / "mountinfo"
    table.write_text(f"30 1 0:26 / {tmp_path}/cg rw - cgroup2 cgroup2 rw\n")
    own = tmp_path / "own"
    own.write_text("0::/app.slice/server.scope\n")
    monkeypatch.setattr(mounts, "TABLE", table)
    monkeypatch.setattr(cgroup, "OWN", own)
    monkeypatch.setattr("os.getuid", lambda: 1000)
    folder_like_a_cgroup(tmp_path / "cg" / "app.slice" / "server.scope", handed_on="", processes="12")
    return tmp_path / "cg" / "app.slice"


def test_a_session_of_systemd_delegates_the_group_above_the_server(person):
    folder_like_a_cgroup(person, processes="")
    found = cgroup.find()
    assert (found.folder, found.controllers) == (str(person), CONTROLLERS)
    assert "can limit: memory, pids, cpu" in found.sentence


def test_only_what_is_handed_on_can_be_limited(person):
    folder_like_a_cgroup(person, handed_on="memory pids", processes="7")
    assert cgroup.find().controllers == ("memory", "pids")


def test_a_group_that_may_not_be_written_is_none(person, monkeypatch):
    folder_like_a_cgroup(person)
    monkeypatch.setattr("os.access", lambda *_: False)
    found = cgroup.find()
    assert found.folder == ""
    assert "no cgroup is delegated" in found.sentence
    assert "Delegate=yes" in found.sentence


def test_an_empty_group_that_is_named_is_asked_to_hand_its_controllers_on(person, tmp_path):
    named = folder_like_a_cgroup(tmp_path / "cg" / "kernels", handed_on="")
    # The system answers a request with what is in force; a file keeps the words.
    cgroup.find(str(named))
    assert (named / "cgroup.subtree_control").read_text() == "+memory +pids +cpu"


def test_root_has_to_name_one_and_without_v2_there_is_none(person, monkeypatch):
    folder_like_a_cgroup(person)
    monkeypatch.setattr("os.getuid", lambda: 0)
    assert cgroup.find().why == "root has to name one"
    assert cgroup.find(str(person)).folder == str(person)
    mounts.TABLE.write_text("30 1 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw\n")
    assert cgroup.find().why == "no cgroup v2 is mounted here"


def test_limits_are_written_into_the_files_of_their_controllers(tmp_path):
    group = KernelGroup(Delegation(str(tmp_path), CONTROLLERS), GroupLimits(2**30, 300, 1.5))
    written = {path.name: path.read_text() for path in group.path.iterdir()}
    assert written == {"memory.max": str(2**30), "pids.max": "300", "cpu.max": "150000 100000"}


def test_nothing_is_limited_that_was_not_asked_for(tmp_path):
    assert list(KernelGroup(Delegation(str(tmp_path), CONTROLLERS), GroupLimits()).path.iterdir()) == []


def test_a_limit_whose_controller_is_not_delegated_refuses_and_leaves_nothing(tmp_path):
    with pytest.raises(GuardError, match="cgroup could not be made"):
        KernelGroup(Delegation(str(tmp_path), ("pids",)), GroupLimits(memory_bytes=2**30))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("limits", [GroupLimits(memory_bytes=2**30), GroupLimits(processors=1)])
def test_limits_that_are_asked_for_where_none_can_be_set_refuse_with_the_cure(person, limits):
    folder_like_a_cgroup(person, controllers="", handed_on="")
    with pytest.raises(GuardError, match=r"settings ask for a cgroup.*Delegate=yes"):
        cgroup.group_for("", limits)
    with pytest.raises(GuardError, match="the settings name cannot be used"):
        cgroup.group_for("/nowhere", GroupLimits())
    assert cgroup.group_for("", GroupLimits(processes=9)) is None


def test_empty_groups_of_servers_that_are_gone_are_swept_and_no_others(tmp_path):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    kept = [tmp_path / f"jsec-{os.getpid()}-a", tmp_path / "jsec-other", tmp_path / "user.slice"]
    for folder in (tmp_path / f"jsec-{ended.pid}-b", *kept):
        folder.mkdir()
    cgroup.sweep(str(tmp_path))
    assert sorted(tmp_path.iterdir()) == sorted(kept)


def test_the_limits_in_force_are_read_back(person, tmp_path, monkeypatch):
    group = folder_like_a_cgroup(person / "jsec-1-a")
    for name, value in {"memory.max": "4096", "pids.max": "max", "cpu.max": "max 100000"}.items():
        (group / name).write_text(f"{value}\n")
    monkeypatch.setattr(cgroup, "_path_of", lambda _: "/app.slice/jsec-1-a")
    assert cgroup.shown(os.getpid()) == {"cgroup": "own", "cgroup_limits": "memory"}


def test_evidence_names_the_group():
    report = level.assess(7, {"tcp": True}, {"NoNewPrivs": "1", "Seccomp": "2", "CapEff": "0", "cgroup": "own"})
    assert "cgroup" in report.layers
    assert "cgroup" not in level.assess(7, {}, {"cgroup": "shared"}).layers
    assert outside.measure(os.getpid())["cgroup"] == "shared"


@pytest.fixture
def real():
    """A real cgroup v2 in which groups can be made, with whatever controllers it has."""
    place = Path(mounts.point_of_kind("cgroup2") or "/none") / f"test-{os.getpid()}"
    try:
        place.mkdir()
    except OSError:
        pytest.skip("LOUD SKIP, no cgroup v2 can be written here: moving into a group was not tried")
    yield place
    place.rmdir()  # fails if anything is left in it


def started(*command):
    return subprocess.Popen(command, stdin=subprocess.PIPE)


async def test_a_real_group_takes_a_process_and_what_it_starts_and_kills_them_all(real):
    group = KernelGroup(Delegation(str(real)), GroupLimits())
    code = "import subprocess, sys; sys.stdin.readline(); subprocess.run(['sleep', '300'], start_new_session=True)"
    process = started(sys.executable, "-c", code)
    group.enter(process.pid)
    assert outside.measure(process.pid)["cgroup"] == "own"
    process.stdin.close()
    while len((group.path / "cgroup.procs").read_text().split()) < 2:
        assert process.poll() is None
    await group.remove()
    assert process.wait(60) == -9
    assert not group.path.exists()
    await group.remove()


async def test_a_process_that_is_gone_cannot_enter_and_that_is_said(real):
    group = KernelGroup(Delegation(str(real)), GroupLimits())
    ended = started("/bin/true")
    ended.wait()
    with pytest.raises(GuardError, match="could not be moved"):
        group.enter(ended.pid)
    ended.stdin.close()
    await group.remove()
