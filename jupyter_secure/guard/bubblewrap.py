"""The command line of bubblewrap for a plan. Pure; later mounts lie over earlier ones, so the order matters.

Order: namespaces, system, own `/proc` and `/dev`, empty temporary folders, what is read, what is written, what is
read-only inside what is written, what is masked, and last the root itself made read-only.
"""

from __future__ import annotations

from .plan import GuardPlan

NAMESPACES = (
    "--unshare-user",
    "--unshare-ipc",
    "--unshare-pid",
    "--unshare-net",
    "--unshare-uts",
    "--unshare-cgroup-try",
    "--cap-drop",
    "ALL",
    "--die-with-parent",
    "--hostname",
    "kernel",
)
# Nested user namespaces are also refused by the seccomp filter; bubblewrap before 0.8 does not know the option.
NO_NESTED = "--disable-userns"


def arguments(plan: GuardPlan, *, no_nested: bool = True) -> list[str]:
    """Return the arguments between `bwrap` and the command."""
    words = [*NAMESPACES, *([NO_NESTED] if no_nested else [])]
    for path in plan.read_only:
        words += _read_only(path, plan)
    words += ["--proc", "/proc", "--dev", "/dev"]
    # Before everything that may lie below a temporary folder: a mount hides what was mounted under it earlier.
    own = [path for path in plan.read_only if _below_temporary(path, plan)]
    for folder in dict.fromkeys(("/tmp", plan.temporary)):  # noqa: S108  # a private, empty one is put in its place
        words += ["--tmpfs", folder]
    for path in own:
        words += ["--ro-bind", path, path]
    for path in plan.read_write:
        words += ["--bind", path, path]
    for path in plan.covered:
        words += ["--ro-bind", path, path]
    for path in plan.masked:
        words += ["--tmpfs", path, "--remount-ro", path]
    return [*words, "--remount-ro", "/", "--chdir", plan.folder]


def _read_only(path: str, plan: GuardPlan) -> list[str]:
    if _below_temporary(path, plan):
        return []
    if path in plan.links:
        return ["--symlink", plan.links[path], path]
    return ["--ro-bind-try", path, path]


def _below_temporary(path: str, plan: GuardPlan) -> bool:
    return any(path.startswith(folder.rstrip("/") + "/") for folder in ("/tmp", plan.temporary))  # noqa: S108  # as above
