"""`jupyter secure demo`: a vault with real public data, four people, a policy, and JupyterLab on it.

The vault's passphrase and the four passwords stand in this file and are printed: the demo shows how things work and
protects nothing. Do not seal data of your own into it.

Steps: make the vault if there is none, copy the notebooks, say who can log in and where, become JupyterLab. The
passphrase goes to the server on a pipe, as it does for any program that starts one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
from importlib import resources
from pathlib import Path
from typing import Any

from jupyter_secure.protocol.errors import InstallationError
from jupyter_secure.protocol.principal import Role
from jupyter_secure.protocol.record import Kind, Personal

PASSPHRASE = "the demo protects nothing"  # noqa: S105  # printed and public, see above
FIRST = "01-first-load.ipynb"
PEOPLE = (
    ("steward", "Stella Steward", Role.STEWARD, "sees the data as it is"),
    ("scientist", "Sam Scientist", Role.SCIENTIST, "sees a masked view and may ask private questions"),
    ("engineer", "Enid Engineer", Role.ENGINEER, "sees less, and may ask private questions"),
    ("officer", "Otto Officer", Role.OFFICER, "sees no data and the whole log"),
)


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `demo`."""
    parser = subparsers.add_parser("demo", parents=[common], help="JupyterLab on real public data, in four roles")
    parser.add_argument(
        "--folder", type=Path, default=Path("~/jupyter-secure-demo"), help="where vault and notebooks go"
    )
    parser.add_argument("--port", type=int, default=8888)
    parser.add_argument("--no-browser", action="store_true", help="print the link only")
    parser.add_argument("--prepare-only", action="store_true", help="make the vault and the notebooks, start nothing")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Prepare, then become JupyterLab; returns only with `--prepare-only`."""
    folder = args.folder.expanduser().absolute()
    vault, work = folder / "vault", folder / "notebooks"
    if not (vault / "vault.json").exists():
        print("Sealing the demo data ...", flush=True)
        make_vault(vault)
    copy_notebooks(work)
    if not args.prepare_only:
        introduce(args.port)
        command = lab_command(vault, work, args)
        # Our own interpreter, in our place, so that Ctrl-C reaches the server and nothing in between.
        os.execv(command[0], command)  # noqa: S606 - as said
    return 0


def make_vault(path: Path, database_url: str | None = None) -> None:
    """Make the vault with its people, data and policy, or leave no folder behind."""
    from jupyter_secure.broker.authn.accounts import Accounts
    from jupyter_secure.broker.policies import Policies
    from jupyter_secure.broker.sealed.source import open_source
    from jupyter_secure.broker.vault import Vault

    from . import demo_data

    with Vault.create(path, PASSPHRASE, database_url=database_url) as vault:
        try:
            for name, display, role, _ in PEOPLE:
                with vault.recorded(Kind.USER_ADDED, Personal(note=f"account {name}")):
                    Accounts(vault.engine, vault.now).add(name, password(name), [role.value], display)
            with tempfile.TemporaryDirectory() as outside:
                plain = Path(outside) / "plain.parquet"
                demo_data.write(plain)
                vault.seal(open_source(plain), demo_data.NAME, demo_data.TAGS)
            Policies(vault).apply(demo_data.policy_text())
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise


def password(name: str) -> str:
    """Return the password of a demo account."""
    return f"demo-{name}-password"


def copy_notebooks(work: Path) -> None:
    """Put the notebooks where they can be changed; a notebook that is there already stays as it is."""
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    for source in sorted(notebook_folder().glob("*.ipynb")):
        target = work / source.name
        if not target.exists():
            shutil.copyfile(source, target)


def notebook_folder() -> Path:
    """Return where the notebooks are: inside the installed package, or beside it in a checkout.

    Raises:
        InstallationError: in neither place.
    """
    package = Path(str(resources.files("jupyter_secure")))
    for place in (package / "notebooks", package.parent / "notebooks"):
        if (place / FIRST).exists():
            return place
    raise InstallationError("The demo's notebooks are not part of this installation. Install the released wheel.")


def introduce(port: int) -> None:
    """Say who can log in, and where."""
    print(f"\nOpen  http://localhost:{port}/lab/tree/{FIRST}  and log in as one of\n")
    for name, _, _, sees in PEOPLE:
        print(f"  {name:10} password {password(name):24} {sees}")
    print(f"\nThe vault's passphrase is: {PASSPHRASE}")
    print("Passphrase and passwords are public, the data too. Ctrl-C ends everything.\n", flush=True)


def lab_command(vault: Path, work: Path, args: argparse.Namespace) -> list[str]:
    """Return the command that this process becomes; the passphrase waits in a pipe that it inherits."""
    reading, writing = os.pipe()
    os.write(writing, PASSPHRASE.encode() + b"\n")
    os.close(writing)
    os.set_inheritable(reading, True)
    command = [
        sys.executable,
        "-P",  # nothing in the current folder is ever imported
        "-m",
        "jupyterlab",
        "-y",
        f"--ServerApp.root_dir={work}",
        f"--ServerApp.port={args.port}",
        "--ServerApp.port_retries=0",
        f"--LabApp.default_url=/lab/tree/{FIRST}",
        f"--SecureApp.vault={vault}",
        "--SecureApp.unlock=fd",
        f"--SecureApp.unlock_fd={reading}",
    ]
    if args.no_browser:
        command.append("--no-browser")
    if os.geteuid() == 0:
        command.append("--allow-root")
    return command
