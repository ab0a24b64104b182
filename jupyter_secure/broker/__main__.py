"""`python -I -m jupyter_secure.broker --fd N --vault PATH`: the broker's process.

Started by the Jupyter server, which holds the other end of the socket `N`. Steps: close the process to onlookers before
anything secret can be in it, open the vault locked, serve until the socket ends.
"""

from __future__ import annotations

import argparse
import sys

from jupyter_secure.broker.service.process import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="jupyter_secure.broker", description="Started by the Jupyter server.")
    parser.add_argument("--fd", type=int, required=True)
    parser.add_argument("--vault", required=True)
    arguments = parser.parse_args()
    sys.exit(main(arguments.fd, arguments.vault))
