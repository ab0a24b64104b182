"""Load a seccomp filter that was assembled beforehand (`guard/seccompfilter.py`) into this process, for ever."""

from __future__ import annotations

import ctypes

from .process import demand, syscall

SET_MODE_FILTER = 1
FILTER_FLAG_TSYNC = 1
NUMBERS = {"x86_64": 317, "aarch64": 277}
INSTRUCTION_SIZE = 8


class Program(ctypes.Structure):
    """`struct sock_fprog`."""

    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def load(program: bytes, machine: str) -> None:
    """Put the filter in force in every thread of this process.

    Raises:
        OSError: the kernel refused it.
    """
    buffer = ctypes.create_string_buffer(program, len(program))
    attribute = Program(length=len(program) // INSTRUCTION_SIZE, filter=ctypes.addressof(buffer))
    answer = syscall(NUMBERS[machine], SET_MODE_FILTER, FILTER_FLAG_TSYNC, ctypes.byref(attribute))
    demand(answer, "seccomp")
