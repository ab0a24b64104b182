"""The name of a log in its checkpoints; it follows from the public key, so whoever has that can check everything."""

from __future__ import annotations

import hashlib


def log_origin(public_key: bytes) -> str:
    """Return the origin line, which is also the key's name."""
    return f"jupyter-secure/log/{hashlib.sha256(public_key).hexdigest()[:16]}"
