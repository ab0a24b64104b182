"""How `multiprocessing` starts workers where its own choice cannot work.

Since Python 3.14 that choice is a fork server, to which every start connects a socket. Where the guard lets nothing
connect (level G2) the choice is `fork` again, as in earlier versions. Whoever names a method gets that method.
"""

from __future__ import annotations

import importlib

from .debugging import cut_off


def fork_if_cut_off() -> None:
    """Take `fork` for the default, if the default is a fork server and this process may connect to nothing."""
    context = importlib.import_module("multiprocessing.context")
    default = context._default_context  # noqa: SLF001  # `set_start_method` could then not be called by a notebook
    server = context._concrete_contexts["forkserver"]  # noqa: SLF001  # as above
    if default._default_context is server and cut_off():  # noqa: SLF001  # as above
        default._default_context = context._concrete_contexts["fork"]  # noqa: SLF001  # as above
