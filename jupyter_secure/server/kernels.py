"""Jupyter's kernel managers, made so that no kernel starts outside the guard.

Whatever a kernelspec, a person's configuration or a caller says: the provisioner is ours, a command line other than the
kernelspec's is dropped, a kernelspec that is not allowed does not start, and a kernel that this server did not start is
not joined. The guard itself is a stranger to this zone; it is found by the name of its entry point and checked.

`GuardedMappingKernelManager.secure_host` is where the guard finds what it may ask of this server (see `host.py`).
Whose a kernel is gets decided there, in `attach`, which runs in the context of the request that starts the kernel.
"""

from __future__ import annotations

import uuid
from typing import Any

from jupyter_client.kernelspec import KernelSpec, KernelSpecManager, NoSuchKernel
from jupyter_client.provisioning import KernelProvisionerFactory
from jupyter_server.services.kernels.kernelmanager import AsyncMappingKernelManager, ServerKernelManager
from traitlets import Any as AnyTrait
from traitlets import DottedObjectName, default, validate

from jupyter_secure.protocol.errors import GuardError, InstallationError

PROVISIONER = "jupyter-secure"
PROVISIONER_CLASS = "jupyter_secure.guard.provisioner.GuardProvisioner"
MANAGER_CLASS = "jupyter_secure.server.kernels.GuardedKernelManager"


def guarded(spec: KernelSpec) -> KernelSpec:
    """Return the same specification with our provisioner, whatever it named before."""
    stanza = {"provisioner_name": PROVISIONER, "config": {}}
    spec.metadata = {**spec.metadata, "kernel_provisioner": stanza}
    return spec


class GuardedKernelSpecManager(KernelSpecManager):
    """Kernelspecs that all name our provisioner."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        """Return one kernelspec.

        Raises:
            NoSuchKernel: there is none, or `allowed_kernelspecs` does not name it (Jupyter only hides such a one).
        """
        if self.allowed_kernelspecs and kernel_name not in self.allowed_kernelspecs:
            raise NoSuchKernel(kernel_name)
        return guarded(super().get_kernel_spec(kernel_name))


class GuardedKernelManager(ServerKernelManager):
    """One kernel, always started by our provisioner."""

    @property
    def secure_host(self) -> Any:
        """Return what the guard may ask of this server, None outside a server."""
        return getattr(self.parent, "secure_host", None)

    async def _async_pre_start_kernel(self, **kwargs: Any) -> tuple[list[str], dict[str, Any]]:
        kwargs.pop("kernel_cmd", None)
        self.kernel_id = self.kernel_id or kwargs.get("kernel_id") or str(uuid.uuid4())
        self._use_guard()
        return await super()._async_pre_start_kernel(**kwargs)

    pre_start_kernel = _async_pre_start_kernel

    def _use_guard(self) -> None:
        if self.kernel_spec is None:
            raise GuardError("The kernel was not started: there is no kernel of that name.")
        spec = guarded(self.kernel_spec)
        if self.provisioner is None:
            factory = KernelProvisionerFactory.instance(parent=self.parent)
            self.provisioner = factory.create_provisioner_instance(self.kernel_id, spec, parent=self)
        # An entry point of the same name in another package must not take the guard's place.
        kind = type(self.provisioner)
        if f"{kind.__module__}.{kind.__qualname__}" != PROVISIONER_CLASS:
            self.provisioner = None
            raise InstallationError(
                "The kernel was not started: another package took the name of the kernel guard. "
                "`jupyter secure doctor` says what is installed."
            )


class GuardedMappingKernelManager(AsyncMappingKernelManager):
    """All kernels of one server."""

    secure_host = AnyTrait(None, help="What the guard may ask of this server; set once, before the first kernel.")

    # Not configurable here: a configuration that names another class is not followed.
    kernel_manager_class = DottedObjectName(MANAGER_CLASS, read_only=True)

    @default("kernel_manager_class")
    def _default_kernel_manager_class(self) -> str:
        return MANAGER_CLASS

    @validate("external_connection_dir")
    def _no_strangers(self, proposal: dict[str, Any]) -> None:
        # A kernel that somebody else started has no walls that we measured.
        del proposal
