"""The kernel's own folder."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from jupyter_secure.guard.runtime import RuntimeFolder, sweep
from jupyter_secure.protocol.errors import GuardError


def test_it_is_private_and_short_enough_for_socket_addresses():
    folder = RuntimeFolder()
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert len(f"{folder.path}/s/p-99999") <= 107
    assert sorted(path.name for path in folder.path.iterdir()) == ["c", "home", "lock", "s", "tmp"]
    folder.remove()
    assert not folder.path.exists()


def test_it_goes_with_the_object_and_removing_twice_is_no_error():
    folder = RuntimeFolder()
    path = folder.path
    folder.remove()
    folder.remove()
    del folder
    assert not path.exists()


def test_what_took_away_its_own_rights_is_removed_too():
    folder = RuntimeFolder()
    locked = folder.path / "home" / "locked"
    locked.mkdir()
    (locked / "file").touch()
    locked.chmod(0)
    folder.remove()
    assert not folder.path.exists()


def test_a_link_out_of_it_is_not_followed_when_it_is_removed(tmp_path):
    kept = tmp_path / "kept"
    kept.write_text("x")
    folder = RuntimeFolder()
    (folder.path / "home" / "link").symlink_to(tmp_path)
    folder.remove()
    assert kept.exists()


def test_what_a_killed_server_left_is_swept_and_what_is_in_use_is_not(tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    code = "import os, jupyter_secure.guard.runtime as r; f = r.RuntimeFolder(); print(f.path); os.kill(os.getpid(), 9)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    left = Path(done.stdout.strip())
    assert left.is_dir()
    used = RuntimeFolder()
    sweep()
    assert not left.exists()
    assert used.path.exists()
    used.remove()


def test_a_long_folder_for_temporary_files_is_not_used(tmp_path, monkeypatch):
    long = tmp_path / ("x" * 90)
    long.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(long))
    folder = RuntimeFolder()
    assert str(folder.path).startswith("/tmp/jsec-")
    folder.remove()


def test_no_folder_to_write_in_is_said(monkeypatch):
    def full(**_):
        raise OSError("no space")

    monkeypatch.setattr(tempfile, "mkdtemp", full)
    with pytest.raises(GuardError, match="TMPDIR"):
        RuntimeFolder()


def test_the_log_is_written_only_and_its_end_is_read_by_the_guard():
    folder = RuntimeFolder()
    fd = folder.open_log()
    os.write(fd, b"x" * 5000 + b"last words")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.read(fd, 1)
    os.close(fd)
    assert folder.last_words().endswith("last words")
    assert len(folder.last_words()) == 2000
    folder.remove()
