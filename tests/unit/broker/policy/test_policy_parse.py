"""Every faulty file is answered with the line and the field; nothing faulty is used."""

import pytest

from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.parse import parse
from jupyter_secure.broker.policy.places import Places
from jupyter_secure.protocol.errors import PolicyError

RULE = '[[rule]]\nid = "a"\nto = ["everyone"]\ndatasets = ["x"]\nview = "raw"\n'
MASKED = RULE.replace('"raw"', '"masked"')
X = "[dataset.x]\n"
CONSENT = '[dataset.x.consent]\nlist = "y"\n'
RULE_1 = "line 7: [[rule]] 1 ('a') -> "

FAULTS = [
    ("[dataset.x]\ntags = 3", "line 2: [dataset.x] -> tags: expected"),
    ("[dataset.x]\ntag = {}", "line 2: [dataset.x] -> tag: unknown field; perhaps `tags` is meant."),
    (
        '[dataset.x]\ntags = { a = "public", b = "qasi" }',
        "line 2: [dataset.x] -> tags.b: 'qasi' is not known here; perhaps `quasi`",
    ),
    ('[dataset.x.tags]\na = "public"\nb = "qasi"', "line 3: [dataset.x] -> tags.b: 'qasi'"),
    ("[dataset.x]\n[dataset.Big]", "line 2: [dataset.Big]: not well formed; a dataset's name"),
    ("a b", "line 1: not TOML: "),
    ("[dataset.x]\ntags = {\n", "line 2: not TOML: "),
    ("[dataset.x]\nbounds = { a = [5, 1] }", "line 2: [dataset.x] -> bounds.a: the smallest value"),
    ("[dataset.x]\nbounds = { a = [inf, 1] }", "line 2: [dataset.x] -> bounds.a[1]: a number must be finite"),
    ("[dataset.x]\nbounds = { a = [1] }", "line 2: [dataset.x] -> bounds.a: expected array of length 2"),
    ("[dataset.x]\nbins = { a = [1, 2] }", "line 2: [dataset.x] -> bins.a: bins need bounds"),
    ("[dataset.x]\nresolution = { a = 1 }", "line 2: [dataset.x] -> resolution.a: a resolution needs bounds"),
    ('[dataset.x]\nkeys = { a = ["m", "m"] }', "line 2: [dataset.x] -> keys.a: a key stands there twice"),
    (
        "[dataset.x.budget]\nepsilon = 1.5",
        "line 2: [dataset.x] -> budget.epsilon: expected str, got float; write a decimal",
    ),
    ('[dataset.x.budget]\nepsilon = "1"\nperson = "2"', "line 3: [dataset.x] -> budget.person: the share of a person"),
    ('[dataset.x.budget]\nepsilon = "0"', "line 2: [dataset.x] -> budget.epsilon: a budget must be more than 0"),
    ('[policy]\ntimezone = "Mars/Crater"', "line 2: [policy] -> timezone: 'Mars/Crater'"),
    (RULE, "line 4: [[rule]] 1 ('a') -> datasets[1]: 'x' is not declared; add a table [dataset.x]."),
    ("[dataset.x]\n" + RULE + RULE, "line 8: [[rule]] 2 ('a') -> id: rule 1 has the same id."),
    ("[dataset.x]\n" + RULE.replace('id = "a"\n', ""), "line 2: [[rule]] 1: the field `id` is missing."),
    ("[dataset.x]\n" + MASKED, "line 2: [[rule]] 1 ('a'): a masked view needs"),
    (
        "[dataset.x]\n" + MASKED + 'mask = { dirct = "redact" }',
        "line 7: [[rule]] 1 ('a') -> mask.dirct: 'dirct' is not known here; perhaps `direct`",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { direct = "redacted" }',
        "line 7: [[rule]] 1 ('a') -> mask.direct: 'redacted' is not known here; perhaps `redact`",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { direct = "keep" }',
        "line 7: [[rule]] 1 ('a') -> mask.direct: only measure and public",
    ),
    (
        '[dataset.x]\ntags = { z = "quasi" }\n' + MASKED + 'mask_columns = { z = "keep" }',
        "line 8: [[rule]] 1 ('a') -> mask_columns.z: only measure",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { quasi = { method = "redact", width = 3 } }',
        "line 7: [[rule]] 1 ('a') -> mask.quasi.width: unknown field; it takes none",
    ),
    (
        "[dataset.x]\n" + MASKED + '[rule.mask.quasi]\nmethod = "generalize"\nprefx = 3',
        "line 9: [[rule]] 1 ('a') -> mask.quasi.prefx: unknown field; perhaps `prefix`",
    ),
    (
        "[dataset.x]\n" + RULE + 'mask = { quasi = "redact" }',
        "line 7: [[rule]] 1 ('a') -> mask: a raw view has no masks",
    ),
    ("[dataset.x]\n" + RULE + 'when = { guard = "G9" }', "line 7: [[rule]] 1 ('a') -> when.guard: 'G9' is not known"),
    (
        "[dataset.x]\n" + RULE + '[rule.when]\nmfa_max_age = "12 h"',
        "line 8: [[rule]] 1 ('a') -> when.mfa_max_age: not well formed; write a number",
    ),
    (
        "[dataset.x]\n" + RULE + "when.hours = [8, 25]",
        "line 7: [[rule]] 1 ('a') -> when.hours[2]: expected int <= 24; write two whole hours",
    ),
    ("[dataset.x]\n" + RULE + "when.hours = [8, 8]", "line 7: [[rule]] 1 ('a') -> when.hours: write the first hour"),
    (
        "[dataset.x]\n" + RULE + 'when = { purpose = [\n  "study",\n] }',
        "line 8: [[rule]] 1 ('a') -> when.purpose[1]: 'study' is not declared",
    ),
    (
        "[dataset.x]\n" + RULE + "when = { valid_from = 2026-02-01, valid_until = 2026-01-01 }",
        "when.valid_until: the rule ends before it begins",
    ),
    (
        "[dataset.x]\n" + RULE + 'when = { valid_from = "soon" }',
        "line 7: [[rule]] 1 ('a') -> when.valid_from: write a date",
    ),
    (
        "[dataset.x]\n" + RULE + 'rows = [{ column = "a", op = "in", value = 1 }]',
        "line 7: [[rule]] 1 ('a') -> rows[1]: `in` needs `values`",
    ),
    (
        "[dataset.x]\n" + RULE + 'rows = [\n  { column = "a", op = "eq" },\n]',
        "line 8: [[rule]] 1 ('a') -> rows[1]: `eq` needs one `value`",
    ),
    (
        "[dataset.x]\n" + RULE + 'rows = [{ column = "a", op = "like", value = 1 }]',
        "line 7: [[rule]] 1 ('a') -> rows[1].op: 'like' is not known",
    ),
    (
        "[dataset.x]\n" + RULE.replace('"raw"', '"dp"'),
        "line 6: [[rule]] 1 ('a') -> view: a dp view needs privacy_unit and budget",
    ),
    (
        "[dataset.x]\n" + RULE.replace('"raw"', '"deny"') + 'when = { guard = "G2" }',
        "line 7: [[rule]] 1 ('a') -> when.guard: a deny rule would then spare",
    ),
    (
        "[dataset.x]\n" + RULE.replace('["everyone"]', '["rolex:a"]'),
        "line 4: [[rule]] 1 ('a') -> to[1]: not well formed; write \"role:NAME\"",
    ),
    (
        "[dataset.x]\n" + RULE.replace('["x"]', '["*", "x"]'),
        "line 5: [[rule]] 1 ('a') -> datasets: \"*\" already means every",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { quasi = "clip" }',
        "line 7: [[rule]] 1 ('a') -> mask.quasi: clip needs parameters: write { method = \"clip\"",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { quasi = "pseudonim" }',
        "line 7: [[rule]] 1 ('a') -> mask.quasi: 'pseudonim' is not known here; perhaps `pseudonym`",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { quasi = { method = "clip", low = 2, high = 1 } }',
        "line 7: [[rule]] 1 ('a') -> mask.quasi: low is above high",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { quasi = { method = "generalize", edges = [0, 18, 18] } }',
        "line 7: [[rule]] 1 ('a') -> mask.quasi: edges must rise",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { quasi = { method = "noise", scale = 0 } }',
        "line 7: [[rule]] 1 ('a') -> mask.quasi.scale: expected float > 0.0",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { quasi = "shift-dates" }',
        "line 7: [[rule]] 1 ('a') -> mask.quasi: name the `subject`, or the privacy_unit",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { quasi = { method = "partial", form = "mail" } }',
        "line 7: [[rule]] 1 ('a') -> mask.quasi.form: 'mail' is not known",
    ),
    (
        "[dataset.x]\n" + MASKED + 'mask = { quasi = { method = "blur" } }',
        "line 7: [[rule]] 1 ('a') -> mask.quasi.method: 'blur' is not known here; known are keep, clip",
    ),
    (
        X + RULE + 'rows = [{ column = "a", op = "eq", attribute = "r" }]',
        RULE_1 + "rows[1].attribute: 'r' is not declared",
    ),
    (X + RULE + 'rows = [{ column = "a", op = "lt", attribute = "r" }]', RULE_1 + "rows[1]: `attribute` goes with `op"),
    (
        X + RULE + 'rows = [{ column = "a", op = "eq", value = 1, attribute = "r" }]',
        RULE_1 + "rows[1]: `attribute`",
    ),
    (X + RULE + "sample = 1.5", RULE_1 + "sample: expected float < 1.0"),
    (X + RULE + "sample = 0.5", RULE_1 + "sample: persons are drawn, so the dataset's table needs a privacy_unit"),
    (X + RULE + "limit = 0", RULE_1 + "limit: expected int >= 1"),
    (X + RULE.replace('"raw"', '"deny"') + "limit = 5", RULE_1 + "limit: a deny rule gives no rows"),
    (X + CONSENT + 'kind = "opt-in"', "line 2: [dataset.x] -> consent: name the `column`, or the privacy_unit"),
    (
        X + CONSENT + 'kind = "optin"',
        "line 4: [dataset.x] -> consent.kind: 'optin' is not known here; perhaps",
    ),
    ("[attribute.region]\nroles = {}", "line 2: [attribute.region] -> roles: expected"),
    ("n = 99999999999999999999", "line 1: n: a whole number must be smaller"),
    ("x = " + "[" * 20000, "line 1: "),
]


@pytest.mark.parametrize(("text", "expected"), FAULTS, ids=[str(place) for place in range(len(FAULTS))])
def test_a_fault_is_answered_with_its_line_and_field(text, expected):
    with pytest.raises(PolicyError) as caught:
        compile_text(text)
    if expected.startswith("line"):
        assert str(caught.value).startswith(expected)
    assert expected in str(caught.value)


def test_an_empty_file_is_a_policy():
    assert parse("").document.rule == ()


def test_lines_are_right_for_every_way_to_write_a_field():
    places = Places(
        "# a comment\n"
        "top = 1\n"
        "[a.'b.c']  # [not.a.table]\n"
        'text = """\n'
        "[fake]\n"
        'x = 1 ""\\" """\n'
        "raw = '''\n"
        "y = 2\n"
        "'''\n"
        "d.e = [ # one\n"
        "  1, { f = [\n"
        "    2026-01-01 07:32:00, '#]',\n"
        "  ] },\n"
        "]\n"
        "[[r]]\n"
        "[[r]]\n"
        "[[r.s]]\n"
        '"q\\"uoted" = 3\n'
        "[r.t]\n"
        "u = 4\n"
    )
    expected = {
        ("top",): 2,
        ("a", "b.c"): 3,
        ("a", "b.c", "text"): 4,
        ("a", "b.c", "raw"): 7,
        ("a", "b.c", "d", "e"): 10,
        ("a", "b.c", "d", "e", 0): 11,
        ("a", "b.c", "d", "e", 1, "f"): 11,
        ("a", "b.c", "d", "e", 1, "f", 1): 12,
        ("r", 0): 15,
        ("r", 1): 16,
        ("r", 1, "s", 0): 17,
        ("r", 1, "s", 0, 'q"uoted'): 18,
        ("r", 1, "t", "u"): 20,
        ("r", 1, "t", "missing"): 19,
        ("nowhere",): 1,
    }
    assert {path: places.line(path) for path in expected} == expected
