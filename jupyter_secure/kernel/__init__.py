"""UNTRUSTED: runs beside user code; holds a grant and an inherited channel, never a key to a dataset."""
