"""The visual debugger, withdrawn where it could only be silent.

ipykernel's debugger connects a socket to the kernel itself. Where the guard lets nothing connect (level G2), JupyterLab
would offer a debugger that never answers; so the kernel says that it has none.
"""

from __future__ import annotations

import errno
import importlib
import socket
import sys

FLAG = "_is_debugpy_available"


def withdraw_if_cut_off() -> None:
    """Say that there is no debugger, if this process may connect to nothing."""
    if "ipykernel.kernelapp" in sys.modules and cut_off():
        # Asked for anew with each `kernel_info_request`.
        setattr(importlib.import_module("ipykernel.debugger"), FLAG, False)


def cut_off() -> bool:
    """Say whether the guard lets this process connect to nothing."""
    with socket.socket(socket.AF_UNIX) as tried:
        return tried.connect_ex("/nothing/is/here") == errno.EACCES
