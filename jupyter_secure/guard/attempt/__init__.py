"""The red team: attempts to get out, in or around, made behind the very walls that a kernel gets.

`attempt` says what an attempt is, one file for each class lists them, `ground` lays out what they aim at, `agent` makes
them inside the walls, `trial` starts it there and judges. Promise: a verdict comes from outside (what a listener heard,
what a file holds, what the operating system shows of a process, a secret or a descriptor that came out), never from
what the confined process says of itself.
"""
