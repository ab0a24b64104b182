"""The facts that a plan needs, read from this machine: which folders a Python needs, what must stay out of sight."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from jupyter_core.paths import jupyter_config_dir, jupyter_data_dir, jupyter_runtime_dir

from jupyter_secure.protocol.errors import GuardError

from . import mounts, temporary
from .plan import RUN_LATER, SYSTEM, Facts, Stack, inside

PACKAGE = os.path.realpath(Path(__file__).parent.parent)
# Installed by reference (`pip install -e`): outside the environment that a kernel's Python searches.
PACKAGE_APART = not any(inside(PACKAGE, os.path.realpath(prefix)) for prefix in (sys.prefix, sys.base_prefix))
# Folders of the home that hold keys; the home itself is never given, these count when it is reached another way.
KEY_FOLDERS = (".ssh", ".gnupg", ".aws", ".azure", ".kube", ".docker", ".config/gcloud", ".local/share/keyrings")


def gather(
    *,
    root: str,
    notebook: str,
    command: Sequence[str],
    spec_folder: str,
    hidden: Iterable[str],
    extra: Iterable[str] = (),
) -> Facts:
    """Return the facts for one kernel.

    Args:
        root: the server's root folder.
        notebook: where the kernel is to start.
        command: the kernel's own command; its Python environment is read-only to it.
        spec_folder: the kernelspec's resource folder.
        hidden: what the server wants out of sight, the vault above all.
        extra: further folders that kernels may read.

    Raises:
        GuardError: the kernel's program lies where a program must not lie.
    """
    home = os.path.realpath(Path.home())
    unseen = _hidden(home, hidden)
    real_root, real_notebook = os.path.realpath(root), os.path.realpath(notebook)
    if not inside(real_notebook, real_root):
        real_notebook = real_root  # a link that leads out of the root is not followed
    code = _code(command, [home, *unseen], [spec_folder, *extra], real_root)
    return Facts(
        root=real_root,
        notebook=real_notebook,
        home=home,
        temporary=os.path.realpath(temporary.folder()),
        code=code,
        hidden=unseen,
        network_kinds={folder: mounts.network_kind(folder) for folder in (real_root, real_notebook)},
        run_later=_run_later(real_root, real_notebook),
        links={path: str(Path(path).readlink()) for path in SYSTEM if Path(path).is_symlink()},
    )


def threads_counted(stack: Stack) -> int:
    """Return how many threads the system counts against a limit on processes before the kernel has any.

    Without a user namespace, and before Linux 5.14 with one too, RLIMIT_NPROC counts everything the person runs.
    """
    release = tuple(int(part) for part in os.uname().release.partition("-")[0].split(".")[:2])
    if stack is Stack.BUBBLEWRAP and release >= (5, 14):
        return 0
    return sum(_threads(path) for path in Path("/proc").glob("[0-9]*"))


def _threads(process: Path) -> int:
    try:
        if process.stat().st_uid != os.getuid():
            return 0
        return int((process / "stat").read_bytes().rpartition(b")")[2].split()[17])
    except OSError:
        return 0  # it has ended


def _hidden(home: str, wanted: Iterable[str]) -> tuple[str, ...]:
    jupyter = (jupyter_config_dir(), jupyter_data_dir(), jupyter_runtime_dir())
    keys = (f"{home}/{name}" for name in KEY_FOLDERS)
    real = {os.path.realpath(path) for path in (*wanted, *jupyter, *keys) if Path(path).is_dir()}
    return tuple(sorted(real))


def _code(command: Sequence[str], private: list[str], further: list[str], root: str) -> tuple[str, ...]:
    wanted = [sys.prefix, sys.base_prefix, os.path.realpath(sys.prefix), os.path.realpath(sys.base_prefix), PACKAGE]
    wanted += [*_environment_of(command[0] if command else ""), *further, *_search_path(private, root)]
    folders = dict.fromkeys(os.path.normpath(path) for path in wanted if path and Path(path).is_dir())
    for folder in folders:
        if any(inside(place, os.path.realpath(folder)) for place in private):
            raise GuardError(
                "The kernel was not started: its program lies in a folder that also holds private files. "
                "Install the kernel in a Python environment of its own.",
                detail=folder,
            )
    return tuple(_outermost(folder for folder in folders if not any(inside(folder, place) for place in SYSTEM)))


def _environment_of(program: str) -> list[str]:
    # The folder above `bin`, and for a virtual environment also the installation that it borrows from.
    program = shutil.which(program) or ""
    if not program.startswith("/"):
        return []
    prefix = Path(program).parent.parent
    marker = prefix / "pyvenv.cfg"
    borrowed = [str(Path(os.path.realpath(program)).parent.parent)]
    if not (marker.is_file() or (prefix / "conda-meta").is_dir() or str(prefix) in (sys.prefix, sys.base_prefix)):
        return [str(Path(program).parent), str(Path(os.path.realpath(program)).parent)]
    return [str(prefix), *borrowed]


def _search_path(private: list[str], root: str) -> list[str]:
    # Folders that an editable installation added; never the one above our own package, which is a whole checkout.
    found = []
    for entry in sys.path:
        real = os.path.realpath(entry) if entry and Path(entry).is_dir() else ""
        if not real or inside(PACKAGE, real) or inside(root, real) or inside(real, root):
            continue
        if not any(inside(place, real) for place in private):
            found.append(real)
    return found


def _outermost(folders: Iterable[str]) -> list[str]:
    kept: list[str] = []
    for folder in sorted(folders):
        if not any(inside(folder, place) for place in kept):
            kept.append(folder)
    return kept


def _run_later(root: str, notebook: str) -> tuple[str, ...]:
    places = [root]
    for part in Path(notebook).relative_to(root).parts:
        places.append(f"{places[-1]}/{part}")
    return tuple(f"{place}/{name}" for place in places for name in RUN_LATER if Path(f"{place}/{name}").exists())
