"""The vault's folder, and files that are whole or absent."""

from __future__ import annotations

import stat

import pytest

from jupyter_secure.broker.store.durable import write_durably
from jupyter_secure.broker.store.folder import VaultFolder
from jupyter_secure.protocol.errors import ConflictError, InstallationError


@pytest.fixture
def vault(tmp_path):
    return VaultFolder.create(tmp_path / "vault", {"log_key": "abc"})


def test_a_new_vault_is_its_owner_s_alone(vault):
    modes = {place: stat.S_IMODE(place.stat().st_mode) for place in (vault.path, vault.datasets, vault.config_path)}
    assert modes == {vault.path: 0o700, vault.datasets: 0o700, vault.config_path: 0o600}


def test_the_description_is_read_back(vault):
    vault.write_config({"log_key": "def"})
    assert VaultFolder(vault.path).read_config() == {"log_key": "def"}


def test_a_second_vault_at_one_place_is_refused(vault):
    with pytest.raises(ConflictError):
        VaultFolder.create(vault.path, {})
    assert vault.read_config() == {"log_key": "abc"}


def test_an_empty_folder_may_become_a_vault(tmp_path):
    (tmp_path / "vault").mkdir(mode=0o755)
    vault = VaultFolder.create(tmp_path / "vault", {})
    assert stat.S_IMODE(vault.path.stat().st_mode) == 0o700


def test_a_missing_vault_is_said_to_be_missing(tmp_path):
    with pytest.raises(InstallationError, match="init"):
        VaultFolder(tmp_path)


@pytest.mark.parametrize("place", ["path", "config_path", "datasets"])
def test_a_vault_that_others_can_read_is_refused(vault, place):
    getattr(vault, place).chmod(0o750)
    with pytest.raises(InstallationError, match="other users"):
        VaultFolder(vault.path)
    assert VaultFolder(vault.path, copy=True).read_config() == {"log_key": "abc"}


def test_a_link_inside_the_vault_is_refused(vault, tmp_path):
    vault.datasets.rmdir()
    vault.datasets.symlink_to(tmp_path)
    with pytest.raises(InstallationError, match="other users"):
        VaultFolder(vault.path)


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_damaged_description_is_an_error_without_the_path(vault, content):
    vault.config_path.write_bytes(content)
    with pytest.raises(InstallationError, match="damaged") as caught:
        vault.read_config()
    assert str(vault.path) not in str(caught.value)


def test_a_durable_write_replaces_and_leaves_nothing_beside(tmp_path):
    write_durably(tmp_path / "f", b"old")
    write_durably(tmp_path / "f", b"new")
    assert (tmp_path / "f").read_bytes() == b"new"
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
    assert stat.S_IMODE((tmp_path / "f").stat().st_mode) == 0o600


def test_a_failed_write_leaves_the_old_file(tmp_path):
    (tmp_path / "f").mkdir()
    with pytest.raises(OSError, match="directory"):
        write_durably(tmp_path / "f", b"new")
    assert [path.name for path in tmp_path.iterdir()] == ["f"]
