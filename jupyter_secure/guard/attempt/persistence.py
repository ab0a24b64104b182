"""Ways to leave something that runs later, outside the walls; judged by files that are there, and by survivors."""

from __future__ import annotations

from .attempt import Attempt

PLANT = """
import os
path = at["{root}"] + "/{path}"
os.makedirs(os.path.dirname(path), exist_ok=True)
open(path, "w").write(at["token"])
"""
TEMPLATE = "the server looks for templates in no folder that a kernel can write"
HOOKS = (
    "without namespaces no part of the work folder can be closed, and the level says so; look at hooks before using git"
)


def _plants(name: str, does: str, root: str, path: str, **more: object) -> Attempt:
    return Attempt(
        name, f"leaves {does}", PLANT.format(root=root, path=path), lambda ground, _: ground.planted(root, path), **more
    )


ATTEMPTS = (
    _plants("ipython_startup", "a start-up file of IPython", "home", ".ipython/profile_default/startup/00-x.py"),
    _plants("server_config", "a configuration of the Jupyter server", "home", ".jupyter/jupyter_server_config.py"),
    _plants("kernelspec", "a kernelspec of the person's", "home", ".local/share/jupyter/kernels/x/kernel.json"),
    _plants("pth", "a .pth file in the Python environment", "code", "site-packages/x.pth"),
    _plants("patched_module", "a changed module of the Python environment", "code", "site-packages/module.py"),
    _plants("bytecode", "changed bytecode of the Python environment", "code", "site-packages/__pycache__/module.pyc"),
    _plants(
        "usercustomize",
        "a module that Python runs at each start",
        "home",
        ".local/lib/python3/site-packages/usercustomize.py",
    ),
    _plants("bashrc", "a line in the shell's start-up file", "home", ".bashrc"),
    _plants("autostart", "a program that the desktop starts", "home", ".config/autostart/x.desktop"),
    _plants("git_hook", "a hook of git in the work folder", "work", ".git/hooks/pre-commit", open_at={"G2": HOOKS}),
    _plants(
        "nbconvert_template",
        "a template of nbconvert in the work folder",
        "work",
        "lab/index.html.j2",
        open_at={"G2": TEMPLATE, "G3": TEMPLATE},
    ),
    Attempt(
        "crontab",
        "leaves an entry for cron",
        "import subprocess\n"
        'subprocess.run(["crontab", "-"], input=f"0 0 1 1 * true # {at[\'token\']}\\n".encode(), timeout=10)',
        lambda ground, _: ground.in_crontab(),
        harmful=True,
    ),
    Attempt(
        "surviving_daemon",
        "leaves a process that outlives it",
        "import os, time\n"
        "if os.fork() == 0:\n"
        "    os.setsid()\n"
        "    if os.fork() == 0:\n"
        "        try:\n"
        "            while channel.send(b'alive'): time.sleep(0.05)\n"
        "        finally:\n"
        "            os._exit(0)\n"
        "    os._exit(0)",
        lambda _, evidence: evidence.survived,
        ends=True,
    ),
)
