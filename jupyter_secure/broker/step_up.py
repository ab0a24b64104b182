"""The step up: what is missing if a fresh second factor alone is, and what a decision owes to a proof.

The rule is asked, not guessed: the same question is decided once more as if the person had just verified, and only if
that permits it is there a challenge. Nothing is permitted here; a proof sets `Principal.mfa_at`, and policy decides.
"""

from __future__ import annotations

from msgspec.structs import replace

from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.challenges import Challenges, Request
from jupyter_secure.broker.policy.ask import Ask
from jupyter_secure.broker.policy.decide import decide
from jupyter_secure.broker.policy.policy import Policy
from jupyter_secure.protocol.decision import Decision
from jupyter_secure.protocol.errors import StepUpError
from jupyter_secure.protocol.messages import Load

CONDITION = "mfa_max_age"


def missing(
    challenges: Challenges, caller: Caller, policy: Policy, ask: Ask, decision: Decision, entry: str
) -> tuple[StepUpError | None, dict[str, str]]:
    """Return the error to raise instead of a plain refusal, if any, and what the log says about proof or challenge.

    Args:
        challenges: where the request waits.
        caller: a kernel.
        policy: what decided.
        ask: what was decided.
        decision: the answer.
        entry: joins the log entries of the request.
    """
    if caller.grant is None:
        return None, {}
    wish = Load(dataset=ask.dataset.name, rung=ask.rung, columns=ask.columns, purpose=ask.purpose)
    request = Request.of(wish, decision.policy, caller.grant.id)
    user = caller.principal.name
    if decision.view is not None:
        proof = None if caller.principal.mfa_at is None else challenges.approval(user, request)
        return None, {} if proof is None else {"proof": str(proof)}
    advice = [miss.advice for miss in decision.near_misses if miss.condition == CONDITION]
    if not advice:
        return None, {}
    proved = replace(caller.principal, mfa_at=caller.now_ms // 1000)
    view = decide(policy, replace(ask, principal=proved)).view
    if view is None:
        return None, {}
    about = {
        "dataset": wish.dataset,
        "rung": view.rung.value,
        "columns": None if wish.columns is None else list(wish.columns),
        "purpose": wish.purpose,
        "notebook": caller.grant.notebook,
    }
    challenge = challenges.for_request(user, request, about, entry)
    sentence = f"`{wish.dataset}` as {view.rung.value} is not available to you now. {advice[0]} {StepUpError.HOW}"
    return StepUpError(sentence, challenge=challenge.id), {"challenge": challenge.digest}
