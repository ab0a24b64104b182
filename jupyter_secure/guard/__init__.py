"""CONFINER: builds the wall, then starts the kernel."""
