"""The kernel's environment: an allow-list, because a server's environment holds tokens nobody thought of. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping

from .plan import Runtime

ALLOWED = frozenset(
    {
        "PATH",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TERM",
        "COLORTERM",
        "JPY_SESSION_NAME",
        "CUDA_VISIBLE_DEVICES",
        "OMP_NUM_THREADS",
    }
)
CHANNEL = "JUPYTER_SECURE_CHANNEL"
_SUBSTITUTION = re.compile(r"\$\{(\w+)\}")


def kernel_environment(
    offered: Mapping[str, str], stanza: Mapping[str, str], runtime: Runtime, channel: int | None, packages: str = ""
) -> dict[str, str]:
    """Return the whole environment of a kernel.

    Args:
        offered: what Jupyter would pass on: the server's own environment and the session's additions.
        stanza: `env` of the kernelspec; `${NAME}` in it can only name what is allowed anyway.
        runtime: the kernel's own folder, which holds its home.
        channel: number of the inherited descriptor.
        packages: a folder that is to be on the path of modules.
    """
    allowed = {name: value for name, value in offered.items() if name in ALLOWED or name.startswith("LC_")}
    installed = f"{runtime.folder}/home/packages"
    own = {
        "HOME": f"{runtime.folder}/home",
        "TMPDIR": f"{runtime.folder}/tmp",  # noqa: S108  # inside the private folder
        "IPYTHONDIR": f"{runtime.folder}/home/.ipython",
        "MPLCONFIGDIR": f"{runtime.folder}/home/.matplotlib",
        "JUPYTER_RUNTIME_DIR": f"{runtime.folder}/home/.jupyter-runtime",
        "PIP_TARGET": installed,  # the environment is read-only: what a notebook installs goes with the kernel
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PIP_NO_INDEX": "1",  # at once, and not after every retry; taken back where there is a way out
        "PYTHONNOUSERSITE": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    given = {name: _substitute(value, allowed) for name, value in stanza.items()}
    handle = {} if channel is None else {CHANNEL: str(channel)}
    path = ":".join(filter(None, (packages, given.get("PYTHONPATH"), installed)))
    return {**allowed, **given, **own, **handle, "PYTHONPATH": path}


def _substitute(value: str, allowed: Mapping[str, str]) -> str:
    return _SUBSTITUTION.sub(lambda found: allowed.get(found.group(1), ""), value)
