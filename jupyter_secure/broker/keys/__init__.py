"""Keys: who holds the root, how named keys are wrapped under it, and how statements are signed.

A *provider* holds the root and wraps short keys; a *keychain* keeps one wrapped key per purpose in the store. Nothing
here reads a dataset.
"""
