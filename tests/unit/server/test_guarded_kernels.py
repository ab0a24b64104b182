"""No kernelspec, configuration or caller starts a kernel outside the guard."""

import json

import pytest
from jupyter_client.kernelspec import NATIVE_KERNEL_NAME, NoSuchKernel
from jupyter_client.provisioning import KernelProvisionerFactory
from traitlets.config import Config

from jupyter_secure.protocol.errors import InstallationError
from jupyter_secure.server.kernels import (
    MANAGER_CLASS,
    PROVISIONER,
    GuardedKernelManager,
    GuardedKernelSpecManager,
    GuardedMappingKernelManager,
)

OURS = {"provisioner_name": PROVISIONER, "config": {}}


@pytest.fixture
def specs(tmp_path):
    folder = tmp_path / "kernels" / "escape"
    folder.mkdir(parents=True)
    stanza = {"provisioner_name": "local-provisioner", "config": {"minimum": "G0"}}
    spec = {
        "argv": ["python3", "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "escape",
        "language": "python",
        "metadata": {"kernel_provisioner": stanza, "debugger": True},
    }
    (folder / "kernel.json").write_text(json.dumps(spec))
    return GuardedKernelSpecManager(kernel_dirs=[str(tmp_path / "kernels")])


def test_the_plain_kernel_is_guarded():
    assert GuardedKernelSpecManager().get_kernel_spec(NATIVE_KERNEL_NAME).metadata["kernel_provisioner"] == OURS


def test_a_kernelspec_that_names_another_provisioner_is_guarded_and_its_settings_are_dropped(specs):
    spec = specs.get_kernel_spec("escape")
    assert spec.metadata == {"kernel_provisioner": OURS, "debugger": True}
    assert specs.get_all_specs()["escape"]["spec"]["metadata"]["kernel_provisioner"] == OURS


def test_a_kernelspec_that_is_not_allowed_is_not_only_hidden(specs):
    specs.allowed_kernelspecs = {"python3"}
    with pytest.raises(NoSuchKernel):
        specs.get_kernel_spec("escape")


@pytest.mark.parametrize("section", ["MultiKernelManager", "MappingKernelManager", "GuardedMappingKernelManager"])
def test_configuration_does_not_choose_another_manager(section, tmp_path):
    config = Config({section: {"kernel_manager_class": "jupyter_client.ioloop.AsyncIOLoopKernelManager"}})
    manager = GuardedMappingKernelManager(config=config, root_dir=str(tmp_path))
    assert manager.kernel_manager_class == MANAGER_CLASS
    assert type(manager.kernel_manager_factory()) is GuardedKernelManager


def test_a_kernel_that_somebody_else_started_is_not_joined(tmp_path):
    manager = GuardedMappingKernelManager(root_dir=str(tmp_path), external_connection_dir=str(tmp_path))
    assert manager.external_connection_dir is None


def prepared(manager, monkeypatch):
    """The provisioner's part is left out; what reaches it is returned."""
    seen = {}

    async def pre_launch(self, **kwargs):
        seen.update(kwargs, kind=type(self).__name__)
        return {"cmd": ["true"]}

    monkeypatch.setattr("jupyter_secure.guard.provisioner.GuardProvisioner.pre_launch", pre_launch)
    return seen


async def test_a_command_line_of_the_caller_is_dropped(monkeypatch):
    manager = GuardedKernelManager(kernel_name="python3")
    seen = prepared(manager, monkeypatch)
    await manager.pre_start_kernel(kernel_cmd=["sh"], kernel_id="a-1", cwd="/")
    assert (seen["kind"], "kernel_cmd" in seen, manager.kernel_id) == ("GuardProvisioner", False, "a-1")


async def test_a_kernel_manager_alone_guards_whatever_its_spec_says(specs, monkeypatch):
    class Plain(GuardedKernelManager):
        pass

    manager = Plain(kernel_name="python3")
    manager.kernel_spec.metadata["kernel_provisioner"] = {"provisioner_name": "local-provisioner"}
    seen = prepared(manager, monkeypatch)
    await manager.pre_start_kernel()
    assert seen["kind"] == "GuardProvisioner"


async def test_another_package_under_the_guards_name_is_not_used(monkeypatch):
    from jupyter_client.provisioning import LocalProvisioner

    factory = KernelProvisionerFactory.instance()
    monkeypatch.setattr(factory, "create_provisioner_instance", lambda *_, **__: LocalProvisioner())
    manager = GuardedKernelManager(kernel_name="python3")
    with pytest.raises(InstallationError, match="another package"):
        await manager.pre_start_kernel()
    assert manager.provisioner is None
