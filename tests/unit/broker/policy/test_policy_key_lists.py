"""Keys in a file beside the policy mean what they would mean in it, and a faulty file is told by its line."""

import pytest

from jupyter_secure.broker.policy import key_lists
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.parse import LIMIT, parse
from jupyter_secure.protocol.errors import PolicyError
from jupyter_secure.protocol.query import MAX_KEYS

LINES = '[dataset.x]\nkeys = { ward = { file = "wards.txt" } }\n'
CELLS = '[dataset.x]\nkeys = { ward = { file = "wards.csv", column = "code" } }\n'


def read(text, *contents):
    parsed = parse(text)
    files = dict(zip((path for path, _ in key_lists.named(parsed)), contents, strict=True))
    return key_lists.read(parsed, files)


@pytest.mark.parametrize(
    ("text", "content"),
    [
        (LINES, b"north\nsouth"),
        (LINES, b"\xef\xbb\xbfnorth\r\nsouth\r\n"),
        (CELLS, b"code,name\nnorth,The North\nsouth,The South\n"),
        (CELLS, b'\xef\xbb\xbfname,code\r\n"two\r\nlines, one cell","north"\r\n,south\r\n'),
    ],
)
def test_a_file_means_what_the_keys_would_mean_in_the_policy(text, content):
    written = compile_text('[dataset.x]\nkeys = { ward = ["north", "south"] }\n')
    compiled = compile_text(text, read(text, content))
    assert compiled.datasets["x"].keys == {"ward": ("north", "south")}
    assert compiled.digest == written.digest


def test_several_columns_have_files_and_others_none():
    text = '[dataset.x.keys]\na = { file = "a.txt" }\nb = [1, 2]\n[dataset.y.keys]\na = { file = "in/a b.txt" }\n'
    keys = read(text, "é\nß".encode(), b"1")
    assert keys == {"x": {"a": ("é", "ß")}, "y": {"a": ("1",)}}
    assert compile_text(text, keys).datasets["x"].keys == {"a": ("é", "ß"), "b": (1, 2)}


def test_so_many_keys_as_a_question_may_have_and_no_more():
    many = [f"{number:06}" for number in range(MAX_KEYS)]
    assert read(LINES, "\n".join(many).encode())["x"]["ward"] == tuple(many)
    with pytest.raises(PolicyError, match=r"wards.txt, line 100001: there are more than 100,000 keys"):
        read(LINES, "\n".join([*many, "one more"]).encode())


@pytest.mark.parametrize(
    ("text", "content", "sentence"),
    [
        (LINES, b"north\nsou\xffth", "wards.txt, line 2: it is not UTF-8 text."),
        (LINES, "north\nsouth".encode("utf-16"), "wards.txt, line 1: it is not UTF-8 text."),
        (LINES, b"north\nsouth\nnorth\n", "wards.txt, line 3: the key of line 1 stands there again."),
        (LINES, b"", "wards.txt, line 1: there is no key."),
        (LINES, b"north\n\nsouth", "wards.txt, line 2: a key is empty, or begins or ends with a blank."),
        (LINES, b"north\nsouth\n\n", "wards.txt, line 3: a key is empty"),
        (LINES, b"north \n", "wards.txt, line 1: a key is empty, or begins or ends with a blank."),
        (LINES, b"no\trth\n", "wards.txt, line 1: a key is longer than 256 characters, or holds a control character."),
        (LINES, b"a" * 257, "wards.txt, line 1: a key is longer than 256 characters"),
        (CELLS, b"", "wards.csv, line 1: the header must name the column 'code' once."),
        (CELLS, b"name\nnorth\n", "wards.csv, line 1: the header must name the column 'code' once."),
        (CELLS, b"code,code\na,b\n", "wards.csv, line 1: the header must name the column 'code' once."),
        (CELLS, b"code\n", "wards.csv, line 1: there is no key."),
        (CELLS, b"code,name\nnorth\n", "wards.csv, line 2: it has 1 columns, and the header 2."),
        (CELLS, b"code\n\n", "wards.csv, line 2: it has 0 columns, and the header 1."),
        (CELLS, b'code\n"north', "wards.csv, line 2: not CSV: "),
    ],
)
def test_a_faulty_file_is_told_by_its_line_and_never_by_a_key(text, content, sentence):
    with pytest.raises(PolicyError) as caught:
        read(text, content)
    assert f"line 2: [dataset.x] -> keys.ward: {sentence}" in str(caught.value)
    assert "north" not in str(caught.value)


def test_what_is_too_large_is_refused(monkeypatch):
    with pytest.raises(PolicyError, match="the keys of all files together are longer than 3000000 characters"):
        read(LINES, "\n".join(f"{number:0250}" for number in range(LIMIT // 250 + 1)).encode())
    monkeypatch.setattr(key_lists, "MOST_BYTES", 2**20)
    with pytest.raises(PolicyError, match=r"wards.txt, line 1: the file is larger than 1 MiB"):
        read(LINES, b"a\n" * 2**20)


@pytest.mark.parametrize("name", ["/etc/passwd", "../keys", "a/../../b", "a//b", "", ".", "..", "a\\\\b", "~/a"])
def test_a_name_that_could_lead_elsewhere_is_no_name(name):
    with pytest.raises(PolicyError, match=r"line 2: .* -> keys.ward.file: .*write a path below the folder"):
        parse(f'[dataset.x]\nkeys = {{ ward = {{ file = "{name}" }} }}\n')


@pytest.mark.parametrize(
    ("table", "sentence"),
    [
        ('{ file = "a", col = "b" }', "keys.ward.col: unknown field; perhaps `column` is meant"),
        ('{ column = "b" }', "keys.ward: the field `file` is missing"),
        ("3", "keys.ward: expected"),
        ("[]", "keys.ward: expected"),
    ],
)
def test_a_faulty_declaration_is_told_by_its_line(table, sentence):
    with pytest.raises(PolicyError) as caught:
        parse(f"[dataset.x]\nkeys = {{ ward = {table} }}\n")
    assert f"line 2: [dataset.x] -> {sentence}" in str(caught.value)


@pytest.mark.parametrize("keys", [{}, {"x": {}}, {"x": {"ward": ()}}, {"y": {"ward": ("a",)}}])
def test_a_policy_whose_file_was_not_read_is_no_policy(keys):
    with pytest.raises(PolicyError, match=r"line 2: \[dataset.x\] -> keys.ward: the keys of wards.txt were not read"):
        compile_text(LINES, keys)
