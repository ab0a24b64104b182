"""What runs between the guard and the kernel, in a fresh interpreter that has loaded nothing else.

Standard library only, and of that only what starts fast. These modules are loaded in two ways: as `wall` by
`guard/launcher.py` under `python -I -S`, where the project itself is not importable, and as `jupyter_secure.guard.wall`
by the tests. They therefore import one another relatively and nothing else of the project.
"""
