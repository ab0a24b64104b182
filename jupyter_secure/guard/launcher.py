"""Entry of the launcher: `python -I -S launcher.py --policy-fd N -- command...`.

`-I -S` keeps every file that a person or a kernel could have written out of this interpreter: no environment
variables, no user site, no `.pth`, no current folder. The one folder added is this one, at the end of `sys.path`, so
that nothing in it can stand in for a module of the standard library.
"""

from __future__ import annotations

import sys

if __name__ == "__main__":
    sys.path.append(__file__.rpartition("/")[0])
    from wall.steps import main

    sys.exit(main(sys.argv[1:]))
