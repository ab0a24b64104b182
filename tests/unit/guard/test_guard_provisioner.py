"""The provisioner refuses rather than going on with less, and leaves nothing behind when it does."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path

import pytest
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from traitlets.config import Config

from jupyter_secure.guard import cgroup, level, mounts, probe
from jupyter_secure.guard.plan import Stack
from jupyter_secure.guard.provisioner import GuardProvisioner, is_ipykernel
from jupyter_secure.protocol.errors import GuardError

NOTHING = probe.Bubblewrap("", works=False, why="bubblewrap is not installed", cure="install it")


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    work = tmp_path / "work"
    work.mkdir()
    return tmp_path


def manager(program="/bin/sleep", minimum="G2", **traits):
    config = Config({"GuardProvisioner": {"minimum": minimum, **traits}})
    made = AsyncKernelManager(kernel_name="python3", config=config)
    spec = KernelSpec(argv=[program, "30"], display_name="sleep", language="none", resource_dir="")
    spec.metadata = {"kernel_provisioner": {"provisioner_name": "jupyter-secure", "config": {}}}
    made._kernel_spec = spec
    return made


def left_behind(folder):
    return [path for path in folder.iterdir() if path.name.startswith("jsec-")]


def open_descriptors():
    return len(list(Path("/proc/self/fd").iterdir()))


def shown(pid, file):
    path = Path(f"/proc/{pid}/{file}")
    return path.read_text() if path.exists() else ""


async def start(made, temporary):
    await made.start_kernel(cwd=str(temporary / "work"))


@pytest.mark.parametrize("traits", [{}, {"launcher_only": True}])
async def test_a_program_of_another_language_is_guarded_too(temporary, traits):
    made = manager(**traits)
    before = open_descriptors()
    await start(made, temporary)
    report = made.provisioner.report
    assert report.level.reaches(report.level.G2)
    pid = made.provisioner._kernel.pid
    assert shown(pid, "cmdline") == "/bin/sleep\x0030\x00"
    assert "Seccomp:\t2" in shown(pid, "status")
    await made.shutdown_kernel(now=True)
    assert left_behind(temporary) == []
    assert shown(pid, "cmdline") == ""
    assert open_descriptors() <= before + 1


@pytest.mark.parametrize("traits", [{}, {"launcher_only": True}])
async def test_a_work_folder_on_a_network_mount_is_said_in_the_evidence(temporary, monkeypatch, traits):
    table = temporary / "mountinfo"
    table.write_text(f"{mounts.TABLE.read_text()}9 1 0:9 / {temporary}/work rw - nfs4 server:/share rw\n")
    monkeypatch.setattr(mounts, "TABLE", table)
    made = manager(**traits)
    await start(made, temporary)
    said = made.provisioner.report
    assert said.level.reaches(said.level.G2)
    assert any("network file system (nfs4)" in sentence for sentence in said.missing)
    assert any("network file system (nfs4)" in sentence for sentence in (await made.provisioner.measure()).missing)
    await made.shutdown_kernel(now=True)


@pytest.mark.parametrize("traits", [{}, {"launcher_only": True}])
async def test_a_path_of_temporary_files_too_long_for_sockets_is_gone_around(temporary, monkeypatch, traits):
    long = temporary / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    made = manager(**traits)
    await start(made, temporary)
    assert made.provisioner.report.level.reaches(made.provisioner.report.level.G2)
    folder = Path(made.connection_file).parents[1]
    assert str(folder).startswith("/tmp/jsec-")
    await made.shutdown_kernel(now=True)
    assert not folder.exists()
    assert list(long.iterdir()) == []


START_WHERE_NOTHING_CAN_BE_WRITTEN = """
import asyncio
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from jupyter_secure.guard import probe
from jupyter_secure.guard.wall import landlock, process
from jupyter_secure.protocol.errors import GuardError
probe.host()
process.no_new_privileges()
assert landlock.restrict([("/", "ro"), ("/dev", "dev")], network=True)
made = AsyncKernelManager(kernel_name="python3")
made._kernel_spec = KernelSpec(argv=["/bin/sleep", "30"], display_name="sleep", language="none", resource_dir="")
made._kernel_spec.metadata = {"kernel_provisioner": {"provisioner_name": "jupyter-secure", "config": {}}}
try:
    asyncio.run(made.start_kernel())
except GuardError as error:
    print(error.public)
"""


@pytest.mark.skipif(not probe.host().landlock, reason="LOUD SKIP, this kernel has no Landlock")
def test_where_no_temporary_file_can_be_written_the_start_is_refused_with_the_cure():
    done = subprocess.run(
        [sys.executable, "-c", START_WHERE_NOTHING_CAN_BE_WRITTEN], capture_output=True, text=True, check=False
    )
    assert "no folder for temporary files can be written. Set TMPDIR" in done.stdout, done.stderr


async def test_a_host_that_cannot_reach_the_minimum_refuses_with_the_cure(temporary, monkeypatch):
    weak = probe.Host("linux", "x86_64", 7, seccomp=True, bubblewrap=NOTHING)
    monkeypatch.setattr(probe, "host", lambda: weak)
    with pytest.raises(GuardError, match=r"G3 is required.*install it"):
        await start(manager(minimum="G3"), temporary)
    assert left_behind(temporary) == []


@pytest.mark.parametrize("minimum", ["G2", "G0"])
async def test_a_host_without_walls_starts_nothing(temporary, monkeypatch, minimum):
    none = probe.Host("linux", "riscv64", 0, seccomp=False, bubblewrap=NOTHING)
    monkeypatch.setattr(probe, "host", lambda: none)
    with pytest.raises(GuardError, match="was not started"):
        await start(manager(minimum=minimum), temporary)


async def test_a_canary_that_got_out_stops_the_kernel_before_it_runs(temporary, monkeypatch):
    assess = level.assess
    monkeypatch.setattr(level, "assess", lambda abi, canaries, *rest: assess(abi, {**canaries, "tcp": False}, *rest))
    made = manager()
    with pytest.raises(GuardError, match=r"measured as G1.*`tcp` was not stopped"):
        await start(made, temporary)
    assert left_behind(temporary) == []
    assert not made.has_kernel


async def test_walls_that_cannot_be_built_are_said_and_nothing_is_left(temporary, monkeypatch):
    broken = temporary / "bwrap"
    broken.write_text("#!/bin/sh\necho broken >&2\nexit 1\n")
    broken.chmod(0o755)
    host = probe.Host(
        "linux", os.uname().machine, 7, seccomp=True, bubblewrap=probe.Bubblewrap(str(broken), works=True)
    )
    monkeypatch.setattr(probe, "host", lambda: host)
    before = open_descriptors()
    with pytest.raises(GuardError, match="could not be built") as caught:
        await start(manager(), temporary)
    assert "broken" in caught.value.detail
    assert left_behind(temporary) == []
    assert open_descriptors() <= before + 1


async def test_a_folder_that_cannot_be_given_leaves_nothing(temporary):
    made = manager()
    with pytest.raises(GuardError, match="temporary files"):
        await made.start_kernel(cwd=str(temporary))
    assert left_behind(temporary) == []


async def test_a_host_that_refuses_the_channel_stops_the_start(temporary):
    class Refusing:
        root, hidden = "", ()

        def attach(self, *_):
            raise GuardError("not yours")

        def detach(self, kernel_id):
            pass

    made = manager()
    object.__setattr__(made, "secure_host", Refusing())
    with pytest.raises(GuardError, match="not yours"):
        await start(made, temporary)
    assert left_behind(temporary) == []
    assert not made.has_kernel


def test_settings_in_a_kernelspec_do_not_lower_the_walls():
    made = manager()
    stanza = {"minimum": "G0", "launcher_only": True, "max_processes": 10**6}
    provisioner = GuardProvisioner(kernel_id="a", kernel_spec=made.kernel_spec, parent=made, **stanza)
    assert (provisioner.minimum, provisioner.launcher_only) == ("G2", False)
    assert provisioner.max_processes < 10**6


def test_the_launcher_alone_can_be_asked_for_and_never_more_than_the_host_has():
    made = manager(launcher_only=True)
    provisioner = GuardProvisioner(kernel_id="a", kernel_spec=made.kernel_spec, parent=made)
    works = probe.Host("linux", "x86_64", 7, True, probe.Bubblewrap("/b", works=True))
    none = probe.Host("linux", "x86_64", 7, False, NOTHING)
    assert provisioner._stack(works) is Stack.LAUNCHER
    assert provisioner._stack(none) is None


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (["python3", "-m", "ipykernel_launcher", "-f", "x"], True),
        (["python3", "-m", "ipykernel", "-f", "x"], True),
        (["python3", "/x/ipykernel_launcher.py", "-f", "x"], True),
        (["R", "--slave", "-e", "IRkernel::main()"], False),
        (["python3", "-m", "bash_kernel", "-f", "x"], False),
    ],
)
def test_only_ipykernel_gets_our_extension(command, expected):
    assert is_ipykernel(command) is expected


class Meeting:
    """A host whose policy names somebody's hosts."""

    hidden = ()

    def __init__(self, root):
        self.root, self.asked = root, []

    async def egress(self, kernel_id, review):
        self.asked.append(kernel_id)
        await review()
        return self.refuse

    async def refuse(self, host, port, again):
        raise GuardError

    def attach(self, kernel_id, end, report, notebook):
        end.close()

    def detach(self, kernel_id):
        pass


@pytest.mark.parametrize(("traits", "asked"), [({}, True), ({"launcher_only": True}, False)])
async def test_only_a_kernel_with_a_network_of_its_own_gets_a_way_out(temporary, traits, asked):
    made = manager(**traits)
    made.secure_host = Meeting(str(temporary / "work"))
    before = open_descriptors()
    await start(made, temporary)
    pid = made.provisioner._kernel.pid
    async with asyncio.timeout(60):
        while "sleep" not in shown(pid, "comm"):  # noqa: ASYNC110 - nothing tells of it
            await asyncio.sleep(0.01)
    assert bool(made.secure_host.asked) is asked
    assert ("HTTP_PROXY=http://127.0.0.1:3128" in shown(pid, "environ")) is asked
    assert bool(list(temporary.glob("jsec-*/c/net"))) is asked
    await made.shutdown_kernel(now=True)
    assert not left_behind(temporary)
    assert open_descriptors() == before


@pytest.mark.parametrize("traits", [{}, {"launcher_only": True}])
async def test_a_kernel_gets_a_cgroup_of_its_own_which_goes_with_it(temporary, monkeypatch, traits):
    place = Path(mounts.point_of_kind("cgroup2") or "/none") / f"test-{os.getpid()}"
    try:
        place.mkdir()
    except OSError:
        pytest.skip("LOUD SKIP, no cgroup v2 can be written here: moving into a group was not tried")
    # Real but for the controllers, which a computer where they are in use by v1 has not.
    monkeypatch.setattr(cgroup, "find", lambda _: cgroup.Delegation(str(place)))
    try:
        made = manager(**traits)
        await start(made, temporary)
        first = [path for path in place.iterdir() if path.is_dir()]
        assert shown(made.provisioner._kernel.pid, "cgroup").rstrip().endswith(first[0].name)
        report = made.provisioner.report
        assert (report.outside["cgroup"], "cgroup" in report.layers) == ("own", True)
        assert shown(made.provisioner.process.pid, "cgroup").rstrip().endswith("0::/")  # not the walls around it
        await made.restart_kernel(now=True)
        second = [path for path in place.iterdir() if path.is_dir()]
        assert (len(second), second != first) == (1, True)
        await made.shutdown_kernel(now=True)
    finally:
        place.rmdir()  # fails if anything is left in it


async def test_limits_that_this_computer_cannot_set_refuse_the_start(temporary):
    made = manager(cgroup_folder="/nowhere", cgroup_memory_bytes=2**30)
    before = open_descriptors()
    with pytest.raises(GuardError, match="the settings ask for a cgroup"):
        await start(made, temporary)
    assert left_behind(temporary) == []
    assert open_descriptors() <= before + 1
    assert not made.has_kernel
