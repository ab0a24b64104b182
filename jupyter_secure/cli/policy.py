"""`jupyter secure policy`: check a file, explain what somebody gets, put a policy in force.

Promises: `check` needs no vault; `explain` reads the catalog, the accounts and the signed policies, and needs no
passphrase; `apply` compiles first, so a faulty file changes nothing, and asks a person at a terminal before it
replaces the policy in force.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import msgspec

from jupyter_secure.broker.authn.accounts import Accounts
from jupyter_secure.broker.consent import list_versions
from jupyter_secure.broker.policies import Policies
from jupyter_secure.broker.policy.ask import Ask, Context
from jupyter_secure.broker.policy.egress import reach
from jupyter_secure.broker.policy.explain import RuleTrace, Trace, officer
from jupyter_secure.broker.policy.notes import notes
from jupyter_secure.broker.policy.policy import Policy
from jupyter_secure.broker.requests.store import Requests
from jupyter_secure.protocol.decision import ColumnReason
from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.grant import GuardLevel
from jupyter_secure.protocol.view import Rung

from .asking import confirm, interactive
from .policy_file import read_policy
from .vault import acting_person, open_vault


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `policy check | explain | apply`."""
    parser = subparsers.add_parser("policy", help="check, explain and apply a policy")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="VERB")
    check = verbs.add_parser("check", parents=[common], help="say whether a file is a valid policy")
    check.add_argument("file", type=Path, metavar="FILE")
    check.set_defaults(run=run_check)
    explain = verbs.add_parser("explain", parents=[common], help="say what a person gets of a dataset, and why")
    explain.add_argument("--as", dest="user", required=True, metavar="USER")
    explain.add_argument("--dataset", required=True, metavar="DATASET")
    explain.add_argument("--purpose", metavar="PURPOSE")
    explain.add_argument("--rung", choices=[rung.value for rung in Rung if rung is not Rung.DENY])
    explain.add_argument("--guard", default="G3", choices=[level.value for level in GuardLevel])
    explain.add_argument("--file", type=Path, metavar="FILE", help="a policy file instead of the policy in force")
    explain.set_defaults(run=run_explain)
    apply = verbs.add_parser("apply", parents=[common], help="sign a policy and put it in force")
    apply.add_argument("file", type=Path, metavar="FILE")
    apply.set_defaults(run=run_apply)


def run_check(args: argparse.Namespace) -> int:
    """Print what the file declares; an error carries line and field."""
    _, keys, policy = read_policy(args.file)
    found = notes(policy)
    if args.json:
        summary = {
            "valid": True,
            "digest": policy.digest,
            "datasets": list(policy.datasets),
            "purposes": list(policy.purposes),
            "rules": [rule.id for rule in policy.terms.rules],
            "notes": found,
        }
        print(json.dumps(summary))
        return 0
    counted = {"dataset": policy.datasets, "purpose": policy.purposes, "rule": policy.terms.rules}
    print(f"Valid: {', '.join(_count(things, noun) for noun, things in counted.items())}.")
    print(f"Digest: {policy.digest}")
    for dataset, columns in keys.items():
        for column, those in columns.items():
            print(f"Read: {_count(those, 'key')} of {dataset}.{column}.")
    for note in found:
        print(f"Note: {note}")
    return 0


def run_explain(args: argparse.Namespace) -> int:
    """Print the view that a load would meet now, each column's reason, and every rule that names the dataset."""
    with open_vault(args, unlock=False) as vault:
        policy = Policies(vault).current()[1] if args.file is None else read_policy(args.file).policy
        approvals, acknowledged = Requests(vault.engine, vault.now).standing(args.user)
        ask = Ask(
            principal=Accounts(vault.engine, vault.now).get(args.user),
            dataset=vault.catalog.latest(args.dataset),
            context=Context(
                now_ms=vault.now(),
                guard=GuardLevel(args.guard),
                approvals=approvals,
                acknowledged=acknowledged,
                lists=list_versions(policy, vault.catalog),
            ),
            rung=None if args.rung is None else Rung(args.rung),
            purpose=args.purpose,
        )
    trace = officer(policy, ask)
    if args.json:
        print(msgspec.json.encode(trace).decode())
        return 0
    _print(args, trace)
    _print_network(policy, ask, trace)
    return 0


def run_apply(args: argparse.Namespace) -> int:
    """Sign the file as the next version and record it in the log."""
    text, keys, policy = read_policy(args.file)
    for note in notes(policy) if not args.json else ():
        print(f"Note: {note}")
    if interactive(args) and not confirm("Put this policy in force?"):
        raise InvalidRequestError("Nothing was changed.")
    with open_vault(args) as vault:
        version = Policies(vault).apply(text, acting_person(), keys=keys)
    if args.json:
        print(json.dumps({"number": version.number, "digest": version.digest}))
    else:
        print(f"Policy {version.number} is in force, digest {version.digest}.")
    return 0


def _count(things: Any, noun: str) -> str:
    return f"{len(things)} {noun}{'' if len(things) == 1 else 's'}"


def _print(args: argparse.Namespace, trace: Trace) -> None:
    view = trace.decision.view
    named = f"{args.user} gets {args.dataset}" if view else f"{args.user} gets nothing of {args.dataset}"
    print(f"{named} as {view.rung}." if view else f"{named}.")
    if view and view.rows:
        print(f"Rows are filtered by: {'; '.join(msgspec.json.encode(item).decode() for item in view.rows)}")
    print()
    for reason in trace.decision.reasons:
        print(f"  {_column(reason)}")
    if trace.rules:
        print("\nRules that name the dataset:")
    for rule in trace.rules:
        print(f"  {_rule(rule)}")


def _print_network(policy: Policy, ask: Ask, trace: Trace) -> None:
    view = trace.decision.view
    before = reach(policy, ask.principal, set())
    print(f"\nNetwork of a G3 kernel: {', '.join(before) or 'none'}.")
    if before and view and view.rung in (Rung.MASKED, Rung.RAW):
        after = reach(policy, ask.principal, {view.rung})
        print(f"Network once it has loaded this view: {', '.join(after) or 'none'}.")


def _column(reason: ColumnReason) -> str:
    tag = reason.tag or "no tag"
    return f"{reason.column:<24} {tag:<10} {reason.sentence} {reason.advice}".rstrip()


def _rule(rule: RuleTrace) -> str:
    if not rule.addressed:
        state = "does not address this person"
    elif rule.failed:
        state = " ".join(rule.failed)
    else:
        state = "applies"
    return f"{rule.rule:<32} {rule.rung:<7} {state}"
