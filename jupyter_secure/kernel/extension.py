"""The IPython extension: loaded by the guard into every kernel, or by hand with `%load_ext jupyter_secure`.

Steps: take the channel out of the environment, before code of the notebook runs; register magics, completion and
forecasts; let errors show as sentences; a moment later, when the kernel is idle, import what the first load needs and
greet the broker. Loading twice is the same as loading once.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
from typing import Any

from . import completion, debugging, forecast, installing, refusals, workers
from .client import CONNECTION
from .magics import CELL_NAMES, NAMES, SecureMagics

WARM_AFTER = 1.0  # seconds; by then the kernel has answered its first request
HEAVY = ("pandas", "jupyter_secure.kernel.opener", "jupyter_secure.kernel.frames")


def load_ipython_extension(shell: Any) -> None:
    """Make the magics available in a shell."""
    connected = CONNECTION.available()
    refusals.install()
    shell.register_magics(SecureMagics)
    completion.install(shell)
    forecast.install(shell)
    installing.install(shell)
    debugging.withdraw_if_cut_off()
    workers.fork_if_cut_off()
    if connected:
        timer = threading.Timer(WARM_AFTER, warm)
        timer.daemon = True
        timer.start()


def unload_ipython_extension(shell: Any) -> None:
    """Take everything out again; the channel stays with the process."""
    completion.uninstall(shell)
    forecast.uninstall(shell)
    installing.uninstall(shell)
    for name in NAMES:
        shell.magics_manager.magics["line"].pop(name, None)
    for name in CELL_NAMES:
        shell.magics_manager.magics["cell"].pop(name, None)
    refusals.uninstall()


def warm() -> None:
    """Import what the first load needs and show the broker our key; what fails here fails there, with its reason."""
    for name in HEAVY:
        with contextlib.suppress(Exception):
            importlib.import_module(name)
    with contextlib.suppress(Exception):
        CONNECTION.client().greet()
