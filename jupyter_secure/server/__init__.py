"""RELAY: the Jupyter Server extension; runs as the user and is trusted no more than a kernel in Hub mode."""
