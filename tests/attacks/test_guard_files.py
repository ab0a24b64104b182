"""A guarded kernel reads and writes its work folder, its own home and temporary folder, and nothing else."""

import json
import sys
import sysconfig
from pathlib import Path

import pytest

import jupyter_secure
from tests.attacks.confined import SECRET

pytestmark = pytest.mark.slow


def key_file(ground):
    return str(ground.key)


READS = {
    "the vault's key": lambda ground: f"print(open({key_file(ground)!r}).read())",
    "the vault's key by a link from the work folder": lambda ground: (
        f"import os, uuid; l = uuid.uuid4().hex; os.symlink({key_file(ground)!r}, l); print(open(l).read())"
    ),
    "the vault's key by dots": lambda ground: f"print(open('../vault/../vault/{ground.key.name}').read())",
    "the vault's key by the root of the server": lambda ground: (
        f"print(open('/proc/{ground.pid}/root{key_file(ground)}').read())"
    ),
    "a private ssh key": lambda ground: f"print(open({str(ground.home / '.ssh' / 'id_ed25519')!r}).read())",
    "files by way of the shell": lambda ground: (
        f"import subprocess; print(subprocess.getoutput('cat {key_file(ground)}'))"
    ),
}


@pytest.mark.parametrize("what", READS)
def test_nothing_private_is_read(ground, what):
    code = READS[what](ground)
    assert SECRET in ground.outside(code), "the attack itself does not work"
    assert SECRET not in ground.inside(code)


def test_the_names_in_the_vault_are_not_seen(ground):
    code = f"import os; print(os.listdir({str(ground.vault)!r}))"
    assert ground.key.name in ground.outside(code)
    assert ground.key.name not in ground.inside(code)


def test_a_hard_link_to_the_key_is_not_made(ground):
    ground.inside(f"import os; os.link({key_file(ground)!r}, 'hard')")
    assert not (ground.work / "hard").exists()


@pytest.mark.parametrize(
    "code",
    [
        "open({key!r}, 'w').write('x')",
        "open({key!r}, 'a').write('x')",
        "import os; os.truncate({key!r}, 0)",
        "import os; os.rename({key!r}, {key!r} + '.old')",
        "import os; open('own', 'w').close(); os.replace('own', {key!r})",
        "import os; os.unlink({key!r})",
        "import os; os.chmod({key!r}, 0o666)",
        "import os; os.utime({key!r}, (1, 1))",
        "import os; os.setxattr({key!r}, 'user.mark', b'x')",
        "import os; os.chmod({vault!r}, 0o777)",
    ],
)
def test_the_vault_is_not_changed(ground, code):
    def state():
        both = [path.stat() for path in (ground.key, ground.vault)]
        return [(s.st_mode, s.st_mtime_ns, s.st_size, s.st_ino, s.st_ctime_ns) for s in both], ground.key.read_text()

    before = state()
    ground.inside(code.format(key=key_file(ground), vault=str(ground.vault)))
    assert state() == before


PLANTED = {
    "a shell's start-up file": ".bashrc",
    "a start-up file of the person's IPython": ".ipython/profile_default/startup/00-evil.py",
    "the server's configuration": ".jupyter/jupyter_server_config.py",
    "a kernelspec of the person": ".local/share/jupyter/kernels/evil/kernel.json",
    "a program that starts at login": ".config/autostart/evil.desktop",
    "a module of the person": ".local/lib/python3.11/site-packages/usercustomize.py",
}


@pytest.mark.parametrize("what", PLANTED)
def test_nothing_is_planted_in_the_persons_home(ground, what):
    target = ground.home / PLANTED[what]
    ground.inside(
        f"import os; os.makedirs({str(target.parent)!r}, exist_ok=True); open({str(target)!r}, 'w').write('evil')"
    )
    assert not target.exists()


@pytest.mark.parametrize("place", ["package", "environment", "base"])
def test_the_installation_is_not_changed(ground, place):
    folder = {
        "package": Path(jupyter_secure.__file__).parent,
        "environment": Path(sysconfig.get_path("purelib")),
        "base": Path(sys.base_prefix),
    }[place]
    planted = folder / "planted_by_an_attack.pth"
    ground.inside(f"open({str(planted)!r}, 'w').write('import os')")
    assert not planted.exists()


def test_a_git_hook_is_planted_only_where_that_is_said(ground):
    hook = ground.work / ".git" / "hooks" / "post-checkout"
    ground.inside(f"open({str(hook)!r}, 'w').write('#!/bin/sh')")
    said = any(".git can be changed" in sentence for sentence in ground.ask("report", kernel=ground.kernel)["missing"])
    assert hook.exists() == (ground.level == "G2")
    assert said == (ground.level == "G2")
    hook.unlink(missing_ok=True)


def test_another_kernels_sockets_and_key_are_not_reached(ground):
    other = ground.ask("start")
    try:
        connection = f"{other['folder']}/c/k.json"
        key = json.loads(Path(connection).read_text())["key"]
        reading = f"print(open({connection!r}).read())"
        assert key in ground.outside(reading)
        assert key not in ground.inside(reading)
        socket = f"{other['folder']}/s/p-1"
        knock = f"import socket; s = socket.socket(socket.AF_UNIX); s.connect({socket!r}); print('connected')"
        assert "connected" in ground.outside(knock)
        assert "connected" not in ground.inside(knock)
        assert "[]" in ground.inside(
            f"import os; print([n for n in os.listdir('/tmp') if n in {other['folder']!r}])"
        ) or (ground.level == "G2")
    finally:
        ground.ask("stop", kernel=other["kernel"])


def test_its_own_connection_file_is_not_replaced(ground):
    connection = ground.folder / "c" / "k.json"
    before = connection.read_text(), connection.stat().st_ino
    ground.inside(f"import os; os.remove({str(connection)!r}); os.symlink('/etc/passwd', {str(connection)!r})")
    assert (connection.read_text(), connection.stat().st_ino) == before


def test_what_it_may_write_it_can_write(ground):
    code = """
import tempfile
tempfile.mkstemp()
open('/dev/null', 'w').write('x')
open('result.csv', 'w').write('1')
print('written')
"""
    assert "written" in ground.inside(code)
    assert (ground.work / "result.csv").read_text() == "1"
    assert "a,b" in ground.inside("print(open('data.csv').read())")
