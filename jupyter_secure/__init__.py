"""jupyter-secure: a kernel holds a grant, the broker holds the keys, and a view is all that ever crosses.

This module is the package's face: Jupyter's hooks and the functions behind the magics. Each imports its zone only when
it is called, so importing the package loads no zone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._version import __version__

if TYPE_CHECKING:
    from .kernel.api import budget, catalog, load, plot, preview, request, sql, status, synthesize, why

__all__ = [
    "__version__",
    "budget",
    "catalog",
    "load",
    "plot",
    "preview",
    "request",
    "sql",
    "status",
    "synthesize",
    "why",
]

_API = frozenset({"budget", "catalog", "load", "plot", "preview", "request", "sql", "status", "synthesize", "why"})


def __getattr__(name: str) -> Any:
    if name in ("ml", "synthetic"):
        import importlib

        return importlib.import_module(f".kernel.{name}", __name__)
    if name in _API:
        from .kernel import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    return [{"src": "labextension", "dest": "jupyter-secure"}]


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    from .server.app import SecureApp

    return [{"module": "jupyter_secure.server.app", "app": SecureApp}]


def load_ipython_extension(shell: Any) -> None:
    """`%load_ext jupyter_secure`."""
    from .kernel.extension import load_ipython_extension

    load_ipython_extension(shell)
