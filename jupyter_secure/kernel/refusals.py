"""An error of the family shows as its one sentence, without a traceback.

A traceback through our own modules tells the person nothing and fills the notebook. IPython asks an exception how it
wants to be shown (`_render_traceback_`); `install` gives our own root class that answer, so it holds for magics and
functions alike.
"""

from __future__ import annotations

from jupyter_secure.protocol.errors import SecureError

TITLES = {
    "refused": "Not permitted",
    "step_up": "Not permitted yet",
    "guard": "Not permitted",
    "budget": "Not permitted",
    "invalid": "Not understood",
    "cancelled": "Cancelled",
    "integrity": "Stopped",
}
RED, PLAIN = "\033[0;31m", "\033[0m"


def sentence(error: SecureError) -> list[str]:
    """Return the lines that IPython shows."""
    title = TITLES.get(error.code, "Not possible now")
    text = "".join(char if char.isprintable() else " " for char in error.public)
    return [f"{RED}{title}:{PLAIN} {text}"]


def install() -> None:
    """Let every error of the family show as its sentence."""
    SecureError._render_traceback_ = sentence  # type: ignore[attr-defined]  # IPython's own hook


def uninstall() -> None:
    """Show tracebacks again."""
    if "_render_traceback_" in vars(SecureError):
        del SecureError._render_traceback_  # type: ignore[attr-defined]  # IPython's own hook
