"""`%pip install` in a guarded kernel: where there is no way to an index it says so once pip has failed, and what to do.

Packages from files of the work folder install at every level; they go with the kernel, because the Python environment
is read-only (`guard/environment.py`).
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from IPython.core.error import UsageError

CUT_OFF = (
    "This kernel has no way to a package index. Have the package installed in the Python environment of this kernel "
    "and restart it, install a wheel from your folder (`%pip install ./name.whl`), or ask whoever keeps the policy for "
    "`[[egress]]` to an index."
)


class Installing:
    """IPython's own `%pip` with a last word; `instead` is what stood in its place."""

    def __init__(self, shell: Any, instead: Any) -> None:
        self._shell, self.instead = shell, instead

    def __call__(self, line: str) -> None:
        """Run pip.

        Raises:
            UsageError: pip failed and there is no way to an index.
        """
        from IPython.core.magics.packaging import PackagingMagics

        PackagingMagics(self._shell).pip(line)
        importlib.invalidate_caches()
        failed = self._shell.user_ns.get("_exit_code", 0)
        if failed and line.split()[:1] == ["install"] and os.environ.get("PIP_NO_INDEX"):
            raise UsageError(CUT_OFF)


def install(shell: Any) -> None:
    """Put it in the place of `%pip`; doing so twice is the same as once."""
    magics = shell.magics_manager.magics["line"]
    instead = magics.get("pip")
    if not isinstance(instead, Installing):
        magics["pip"] = Installing(shell, instead)


def uninstall(shell: Any) -> None:
    """Give `%pip` back."""
    magics = shell.magics_manager.magics["line"]
    if isinstance(magics.get("pip"), Installing):
        magics["pip"] = magics["pip"].instead
