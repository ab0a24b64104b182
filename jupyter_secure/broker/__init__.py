"""TRUSTED: the only place where keys and plaintext exist."""
