"""Two engines, thousands of random policies, one answer: `decide` against Cedar.

For each policy, context, column and rung Cedar says permit or forbid; the ladder, which Cedar does not know, is put on
top here in its plainest form. An error that Cedar reports fails the test, because Cedar itself would pass over it.
"""

import datetime as dt
import hashlib
import json
import random
import zoneinfo

import cedarpy
import pytest

from jupyter_secure.broker.policy import cedar
from jupyter_secure.broker.policy.ask import Ask, Context
from jupyter_secure.broker.policy.compile import compile_text
from jupyter_secure.broker.policy.decide import decide
from jupyter_secure.protocol import canonical
from jupyter_secure.protocol.access import AccessRequest, RequestState
from jupyter_secure.protocol.dataset import Column, DatasetVersion, Tag
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.principal import Principal
from jupyter_secure.protocol.view import Rung

TAGS = [tag.value for tag in Tag]
COLUMNS = ("id", "name", "zip", "diag", "cost", 'qu"o\\te')
ROLES = ("engineer", "scientist", "steward")
USERS = ("ann", "bo")
PURPOSES = ("study", "billing")
ZONE = zoneinfo.ZoneInfo("America/New_York")
DAY = dt.datetime(2026, 3, 8, tzinfo=ZONE)  # the day on which this zone changes its clocks
POLICIES, CONTEXTS = 1200, 5
TEXT = "I publish no single person."
DAYS = 86_400_000


def quoted(values):
    return json.dumps(list(values), ensure_ascii=False)


def some(rng, values, least=1):
    return rng.sample(values, rng.randint(least, len(values)))


def audience(rng):
    pool = ["everyone", *(f"role:{role}" for role in ROLES), *(f"user:{user}" for user in USERS)]
    return rng.sample(pool, rng.choice([1, 1, 2, 3]))


def mask_table(rng):
    tags = some(rng, TAGS)
    return {
        tag: rng.choice(["pseudonym", "redact", "suppress", *(["keep"] * (tag in ("measure", "public")))])
        for tag in tags
    }


def conditions(rng, *, deny):
    found = []
    if rng.random() < 0.3:
        found.append(f"purpose = {quoted(some(rng, PURPOSES))}")
    if rng.random() < 0.2:
        found.append("hours = [8, 18]" if rng.random() < 0.5 else "hours = [20, 3]")
    if rng.random() < 0.15:
        found.append("valid_until = 2026-03-08")
    if rng.random() < 0.15:
        found.append("valid_from = 2026-03-08T12:00:00")
    if not deny and rng.random() < 0.2:
        found.append(f'guard = "{rng.choice(list(GuardLevel))}"')
    if not deny and rng.random() < 0.2:
        found.append(f'mfa_max_age = "{rng.choice(["30m", "12h"])}"')
    if not deny and rng.random() < 0.2:
        found.append("approval = true")
    return found


def random_rule(rng, number):
    view = rng.choice(["raw", "raw", "masked", "masked", "masked", "dp", "dp", "deny"])
    columns = some(rng, COLUMNS) if rng.random() < 0.3 else None
    lines = [f'id = "rule-{number}"', f"to = {quoted(audience(rng))}", f'view = "{view}"']
    lines.append(
        f"datasets = {quoted(rng.choice([['patients'], ['patients'], ['other'], ['patients', 'other'], ['*']]))}"
    )
    if rng.random() < 0.3:
        lines.append(f"except_to = {quoted(audience(rng)[:1])}")
    if columns:
        lines.append(f"columns = {quoted(columns)}")
    if view != "masked" and rng.random() < 0.4:
        lines.append(f"tags = {quoted(some(rng, TAGS))}")
    if view != "masked" and rng.random() < 0.2:
        lines.append(f"not_tags = {quoted(some(rng, TAGS))}")
    if view == "masked":
        lines.append("mask = { " + ", ".join(f'{tag} = "{mask}"' for tag, mask in mask_table(rng).items()) + " }")
        if rng.random() < 0.4:
            own = rng.sample(columns or COLUMNS, 1)[0]
            lines.append(f'mask_columns = {{ {json.dumps(own)} = {{ method = "redact" }} }}')
    if found := conditions(rng, deny=view == "deny"):
        lines.append("when = { " + ", ".join(found) + " }")
    return "[[rule]]\n" + "\n".join(lines) + "\n"


def random_policy(rng):
    tagged = {column: rng.choice(TAGS) for column in some(rng, COLUMNS)}
    public = rng.sample(COLUMNS, 3)
    text = f'[policy]\ntimezone = "{ZONE.key}"\n'
    for dataset in ("patients", "other"):
        text += (
            f"[dataset.{dataset}]\ntags = {{ "
            + ", ".join(f'{json.dumps(k)} = "{v}"' for k, v in tagged.items())
            + " }\n"
        )
        text += 'privacy_unit = "id"\nkeys = { ' + ", ".join(f'{json.dumps(name)} = ["a"]' for name in public) + " }\n"
        text += f'[dataset.{dataset}.budget]\nepsilon = "1"\n'
    for purpose in PURPOSES:
        text += f"[purpose.{purpose}]\n"
        if rng.random() < 0.25:
            text += f'acknowledge = "{TEXT}"\n'
    text += "".join(random_rule(rng, number) for number in range(rng.randint(0, 9)))
    sealed = {column: rng.choice([None, *TAGS]) for column in COLUMNS}
    version = DatasetVersion(
        name="patients",
        version=1,
        digest="0" * 64,
        rows=1,
        sealed_at=0,
        columns=tuple(
            Column(name=column, type="string", tag=None if sealed[column] is None else Tag(sealed[column]))
            for column in COLUMNS
        ),
    )
    return text, version, {**sealed, **tagged}, public


def random_request(rng, policy, who, now_ms):
    """Return an approved request that is mostly good for some rules, and whether it is good at all."""
    rules = rng.sample(policy.terms.rules, rng.randint(len(policy.terms.rules) // 2, len(policy.terms.rules)))
    rung = rng.choice([Rung.RAW, Rung.MASKED, Rung.DP])
    decided = now_ms - rng.choice([-1, 0, 1, 5 * DAYS, 90 * DAYS - 1, 90 * DAYS])
    until = rng.choice([now_ms, now_ms + 1, now_ms + DAYS])
    state = rng.choice([*[RequestState.APPROVED] * 5, *RequestState])
    user, dataset = rng.choice([who, who, *USERS]), rng.choice([*["patients"] * 3, "other"])
    purpose = rng.choice([None, *PURPOSES])
    changed = rng.random() < 0.15
    request = AccessRequest(
        id="0" * 32,
        user=user,
        dataset=dataset,
        rung=rung,
        purpose=purpose,
        rules={rule.id: "0" * 64 if changed else canonical.digest(rule) for rule in rules},
        reason="because",
        days=7,
        asked=decided,
        state=state,
        decided=decided,
        decided_by="sue",
        until=until,
    )
    good = state == "approved" and user == who and dataset == "patients" and not changed
    good = good and decided <= now_ms < until and now_ms - decided < 90 * DAYS
    return request, {rule.id for rule in rules if good and rule.rung == rung}


def random_ask(rng, policy, version):
    now = int(DAY.timestamp()) + rng.choice([-1, 0, 7 * 3600, 11 * 3600, 17 * 3600 - 1, 19 * 3600, 22 * 3600])
    principal = Principal(
        name=rng.choice(USERS),
        display_name="",
        roles=tuple(rng.sample(ROLES, rng.randint(0, 2))),
        mfa_at=rng.choice([None, now, now - 1800, now - 1801, now - 43201, now + 5]),
    )
    now_ms = now * 1000 + rng.choice([0, 999])
    purpose = rng.choice([None, *PURPOSES])
    made = [random_request(rng, policy, principal.name, now_ms) for _ in range(rng.randint(0, 4))]
    texts = {name: rng.choice([TEXT, TEXT, "an older text"]) for name in rng.sample(PURPOSES, rng.randint(1, 2))}
    context = Context(
        now_ms=now_ms,
        guard=rng.choice(list(GuardLevel)),
        approvals=tuple(request for request, _ in made),
        acknowledged={name: hashlib.sha256(text.encode()).hexdigest() for name, text in texts.items()},
    )
    ask = Ask(principal=principal, dataset=version, context=context, purpose=purpose)
    return ask, {
        "approved": sorted(set().union(*(rules for request, rules in made if request.purpose == purpose))),
        "acknowledged": sorted(name for name, text in texts.items() if text == TEXT),
    }


def cedar_context(ask, sets):
    now = ask.context.now_ms
    hour = dt.datetime.fromtimestamp(now // 1000, ZONE).hour
    facts = {"now": now, "hour": hour, "guard": cedar.guard_number(ask.context.guard), **sets}
    if ask.purpose is not None:
        facts["purpose"] = ask.purpose
    if ask.principal.mfa_at is not None:
        facts["mfa_age"] = now // 1000 - ask.principal.mfa_at
    return facts


def entities(asks, tags, public):
    users = [
        {
            "uid": {"type": "User", "id": str(place)},
            "attrs": {"name": ask.principal.name, "roles": list(ask.principal.roles)},
            "parents": [],
        }
        for place, ask in enumerate(asks)
    ]
    columns = [
        {
            "uid": {"type": "Column", "id": str(place)},
            "attrs": {"dataset": "patients", "name": name, "askable": name in public}
            | ({"tag": tags[name]} if tags[name] else {}),
            "parents": [],
        }
        for place, name in enumerate(COLUMNS)
    ]
    return json.dumps(users + columns)


def cedar_permits(policy, made, tags, public):
    asks = [ask for ask, _ in made]
    requests = [
        {
            "principal": {"type": "User", "id": str(who)},
            "action": {"type": "Action", "id": rung},
            "resource": {"type": "Column", "id": str(column)},
            "context": cedar_context(ask, sets),
        }
        for who, (ask, sets) in enumerate(made)
        for rung in ("raw", "masked", "dp")
        for column in range(len(COLUMNS))
    ]
    answers = iter(
        cedarpy.is_authorized_batch(
            requests,
            cedarpy.PolicySet.from_str(cedar.export(policy)),
            cedarpy.Entities.from_json_str(entities(asks, tags, public)),
        )
    )
    result = []
    for _ in asks:
        permits = {}
        for rung in ("raw", "masked", "dp"):
            for column in COLUMNS:
                answer = next(answers)
                assert answer.diagnostics.errors == []
                permits[rung, column] = answer.allowed
        result.append(permits)
    return result


def expected_view(permits, tags, ceiling):
    """Put the ladder over plain permits: the rung of the view and its columns."""
    raw = {name for name in COLUMNS if permits["raw", name]}
    masked = {name for name in COLUMNS if permits["masked", name]}
    dp = {name for name in COLUMNS if permits["dp", name]}
    if ceiling == "raw" and raw:
        return Rung.RAW, raw | masked
    if ceiling in ("raw", "masked"):
        given = masked | {name for name in raw if tags[name] in ("measure", "public")}
        if given:
            return Rung.MASKED, given
    return (Rung.DP, dp) if dp else (None, set())


@pytest.mark.parametrize("seed", range(4))
def test_every_answer_is_cedars_answer(seed):
    rng = random.Random(f"cedar {seed}")
    given = refused = 0
    for _ in range(POLICIES // 4):
        text, version, tags, public = random_policy(rng)
        policy = compile_text(text)
        made = [random_ask(rng, policy, version) for _ in range(CONTEXTS)]
        for (ask, _), permits in zip(made, cedar_permits(policy, made, tags, public), strict=True):
            for ceiling in (Rung.RAW, Rung.MASKED, Rung.DP):
                view = decide(
                    policy, Ask(**{f: getattr(ask, f) for f in ask.__struct_fields__} | {"rung": ceiling})
                ).view
                found = (view.rung, {column.name for column in view.columns}) if view else (None, set())
                assert found == expected_view(permits, tags, ceiling), text
                given += len(found[1])
                refused += len(COLUMNS) - len(found[1])
    # The comparison means something only if both answers are common.
    assert min(given, refused) > 0.14 * (given + refused)


def test_what_is_exported_is_valid_under_the_schema():
    rng = random.Random("schema")
    texts = [cedar.export(compile_text(random_policy(rng)[0])) for _ in range(40)]
    for text in filter(None, texts):
        result = cedarpy.validate_policies(text, cedar.SCHEMA)
        assert result.validation_passed, (text, result.errors)
