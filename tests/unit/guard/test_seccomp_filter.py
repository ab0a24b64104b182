"""The filter, run by a small interpreter of classic BPF: what it answers is what the kernel would be told."""

import errno
import functools
import json
import re
import struct
from pathlib import Path

import pytest

from jupyter_secure.guard import seccompfilter
from jupyter_secure.guard.seccompfilter import ALLOW, ERRNO, KILL, Shape, assemble
from jupyter_secure.guard.syscalls import AUDIT_ARCH, NUMBERS

MACHINES = ("x86_64", "aarch64")
VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "syscalls.json").read_text())
HEADERS = {
    "x86_64": Path("/usr/include/x86_64-linux-gnu/asm/unistd_64.h"),
    "aarch64": Path("/usr/include/asm-generic/unistd.h"),
}


@functools.cache
def program_of(shape):
    return list(struct.iter_unpack("=HBBI", assemble(shape)))


def answer(shape, number, *arguments, architecture=None):
    """Interpret the filter over one `struct seccomp_data`; every path must end in an answer."""
    words = [*arguments, 0, 0, 0, 0, 0, 0][:6]
    data = struct.pack("=iIQ6Q", number, architecture or AUDIT_ARCH[shape.machine], 0, *words)
    program = program_of(shape)
    place = accumulator = 0
    while True:
        code, yes, no, value = program[place]
        place += 1
        if code == 0x20:
            accumulator = struct.unpack_from("=I", data, value)[0]
        elif code == 0x06:
            return value
        elif code == 0x54:
            accumulator &= value
        else:
            holds = {0x15: accumulator == value, 0x35: accumulator >= value, 0x45: accumulator & value}[code]
            place += yes if holds else no


def refused(error):
    return ERRNO | error


@pytest.fixture(params=MACHINES)
def machine(request):
    return request.param


@pytest.fixture(params=[True, False], ids=["private", "shared"])
def shape(request, machine):
    return Shape(machine=machine, private=request.param)


def test_every_jump_stays_inside_and_the_size_is_permitted(shape):
    program = assemble(shape)
    assert len(program) % 8 == 0
    assert len(program) // 8 < 4096
    for place in range(0, len(program), 8):
        code, yes, no, _ = struct.unpack_from("=HBBI", program, place)
        if code in (0x15, 0x35, 0x45):
            assert place // 8 + 1 + max(yes, no) < len(program) // 8


def test_an_ordinary_call_is_allowed(shape):
    assert answer(shape, 9999) == ALLOW
    named = set(NUMBERS[shape.machine].values())
    assert all(answer(shape, number) == ALLOW for number in range(500) if number not in named)


def test_another_architecture_ends_the_process(shape):
    assert answer(shape, 0, architecture=0x40000003) == KILL


def test_the_second_abi_of_x86_64_ends_the_process():
    assert answer(Shape("x86_64", private=True), 0x40000000) == KILL


@pytest.mark.parametrize(
    "name", ["ptrace", "mount", "unshare", "setns", "bpf", "keyctl", "process_vm_readv", "kexec_load"]
)
def test_what_leads_out_is_refused(shape, name):
    assert answer(shape, NUMBERS[shape.machine][name]) == refused(errno.EPERM)


@pytest.mark.parametrize("name", ["io_uring_setup", "io_uring_enter", "clone3"])
def test_what_cannot_be_looked_into_is_absent(shape, name):
    assert answer(shape, NUMBERS[shape.machine][name]) == refused(errno.ENOSYS)


@pytest.mark.parametrize("flag", [0x10000000, 0x20000000, 0x40000000, 0x00020000, 0x08000000, 0x04000000, 0x02000000])
def test_no_clone_makes_a_namespace(shape, flag):
    clone = NUMBERS[shape.machine]["clone"]
    assert answer(shape, clone, flag | 17) == refused(errno.EPERM)
    assert answer(shape, clone, 0x003D0F00) == ALLOW  # a thread of glibc


def test_limits_of_oneself_may_be_read_and_of_others_not(shape):
    number = NUMBERS[shape.machine]["prlimit64"]
    assert answer(shape, number, 0) == ALLOW
    assert answer(shape, number, 1234) == refused(errno.EPERM)


def test_typing_into_a_terminal_is_refused_and_other_ioctls_are_not(shape):
    number = NUMBERS[shape.machine]["ioctl"]
    assert answer(shape, number, 0, 0x5412) == refused(errno.EPERM)
    assert answer(shape, number, 0, 0x541C) == refused(errno.EPERM)
    assert answer(shape, number, 0, 0x5413) == ALLOW
    # The kernel looks at 32 bits of the command; so does the filter.
    assert answer(shape, number, 0, 0x1_0000_5412) == refused(errno.EPERM)


def test_personality_is_asked_for_and_never_changed(shape):
    number = NUMBERS[shape.machine]["personality"]
    assert answer(shape, number, 0xFFFFFFFF) == ALLOW
    assert answer(shape, number, 0) == ALLOW
    assert answer(shape, number, 0x0040000) == refused(errno.EPERM)


@pytest.mark.parametrize("name", ["socket", "socketpair"])
def test_families_with_a_network_of_its_own(machine, name):
    shape, number = Shape(machine, private=True), NUMBERS[machine][name]
    allowed = {family for family in range(50) if answer(shape, number, family, 1) == ALLOW}
    assert allowed == {1, 2, 10, 16}


@pytest.mark.parametrize("name", ["socket", "socketpair"])
def test_families_with_a_shared_network(machine, name):
    shape, number = Shape(machine, private=False), NUMBERS[machine][name]
    allowed = {family for family in range(50) if answer(shape, number, family, 1) == ALLOW}
    assert allowed == {1}
    assert answer(shape, number, 16, 3) == refused(errno.EOPNOTSUPP)
    assert answer(shape, number, 2, 1) == refused(errno.EACCES)
    assert answer(shape, number, 1, 2 | 0x80000) == refused(errno.EPERM)  # datagram, close-on-exec
    assert answer(shape, number, 1, 5 | 0x80000) == ALLOW  # seqpacket


def test_without_namespaces_attributes_are_left_alone_and_nothing_is_connected(machine):
    shared, private = Shape(machine, private=False), Shape(machine, private=True)
    number = NUMBERS[machine]["fchmodat"]
    assert answer(shared, number) == refused(0)
    assert answer(private, number) == ALLOW
    assert answer(shared, NUMBERS[machine]["connect"]) == refused(errno.EACCES)
    assert answer(private, NUMBERS[machine]["connect"]) == ALLOW


CONDITIONAL = {"clone", "prlimit64", "move_pages", "ioctl", "personality", "socket", "socketpair"}
ANSWERS = (
    ("_NEVER", errno.EPERM, True),
    ("_ABSENT", errno.ENOSYS, True),
    ("_SHARED_REFUSED", errno.EACCES, False),
    ("_SHARED_PRETENDED", 0, False),
    ("_SHARED_UNSUPPORTED", errno.ENOTSUP, False),
)


def test_the_table_is_that_of_another_source(machine):
    # A name without a number would be left out of the filter without a word; so the table must be complete too.
    existing = {name: number for name, number in VECTORS[machine].items() if number is not None}
    assert NUMBERS[machine] == existing
    spoken = {name for rule, _, _ in ANSWERS for name in getattr(seccompfilter, rule).split()} | CONDITIONAL
    assert spoken == set(VECTORS[machine])


def test_each_number_of_the_other_source_gets_the_answer_of_its_rule(shape):
    for rule, error, everywhere in ANSWERS:
        expected = refused(error) if everywhere or not shape.private else ALLOW
        for name in getattr(seccompfilter, rule).split():
            number = VECTORS[shape.machine][name]
            if number is not None:
                assert answer(shape, number) == expected, name


def test_a_filter_of_one_machine_ends_the_process_on_the_other(shape):
    other = AUDIT_ARCH[next(name for name in MACHINES if name != shape.machine)]
    assert {answer(shape, number, architecture=other) for number in range(500)} == {KILL}


def test_every_number_of_the_second_abi_ends_the_process_on_x86_64_alone():
    for private in (True, False):
        assert answer(Shape("x86_64", private=private), 0x40000000 + 520) == KILL
        assert answer(Shape("aarch64", private=private), 0x40000000 + 520) == ALLOW  # no such call: the system says so


def test_a_machine_that_the_table_does_not_know_has_no_filter():
    with pytest.raises(KeyError):
        assemble(Shape("riscv64", private=True))


def test_the_table_is_that_of_the_headers(machine):
    header = HEADERS[machine]
    if not header.exists():
        pytest.skip(f"LOUD SKIP, {header} is not installed: system call numbers were not compared")
    defined = {
        name: int(number) for name, number in re.findall(r"#define __NR(?:3264)?_(\w+)\s+(\d+)", header.read_text())
    }
    wrong = {name: number for name, number in NUMBERS[machine].items() if defined.get(name, number) != number}
    assert wrong == {}
    assert sum(name in defined for name in NUMBERS[machine]) > 70
