"""Outputs that are about to be saved, compared with the views that the person was served.

Steps: (1) policy says whether and what for; (2) each view is made again in a worker and compared with all words at
once; (3) which outputs show how many served values; (4) recorded before anything is answered, if there is something
to say. Promises: a kernel that was given something before this broker started, or more than is kept, is never called
clean.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

import msgspec
from msgspec.structs import replace

from jupyter_secure.broker.authn.grants import Grants
from jupyter_secure.broker.caller import Caller
from jupyter_secure.broker.gate import Gate
from jupyter_secure.broker.policy.rules import Outputs as Terms
from jupyter_secure.broker.ruling import Ruling
from jupyter_secure.broker.views.comparison import CompareJob, CompareResult
from jupyter_secure.protocol.messages import Compare, Compared, Match
from jupyter_secure.protocol.record import Header, Kind

NOBODY = bytes(32)  # the plan's recipient: nothing is handed over
DONE = {"warn": "done", "strip": "done", "refuse": "refused"}
SAID = {
    "warn": "Saved, although {}.",
    "strip": "Left out of the saved file, because {}.",
    "refuse": "Not saved, because {}.",
}
SHOWN = "{outputs} of its new outputs show {values} values that were served"
UNKNOWN = "what this person's kernels were given is not known any more"


@dataclass
class Outputs:
    """Compares the outputs of one vault's people."""

    gate: Gate
    grants: Grants
    _since: int = field(init=False)

    def __post_init__(self) -> None:
        """Remember since when is known what kernels are given."""
        self._since = self.gate.vault.now()

    async def compare(self, caller: Caller, body: Compare) -> Compared:
        """Say which outputs show served values and what policy wants done with them.

        Raises:
            SecureError: it could not be found out.
            AuditUnavailableError: the log cannot be written.
        """
        # (1) The policy in force now, not that of the load.
        digest, terms = await asyncio.to_thread(self._terms)
        if terms is None:
            return Compared(action="off")
        name = caller.principal.name
        words = tuple(dict.fromkeys(word for output in body.outputs for word in output.words))
        # (2) and (3), one view after another: each is one job of a worker.
        matches: list[Match] = []
        for ruling in self.gate.served.of(name) if words else ():
            shown = await self._occurring(ruling, words)
            matches += _matches(body, words, ruling, shown, terms.least)
        # A kernel from before this broker may show what it was given then, in whatever notebook.
        before = await asyncio.to_thread(self.grants.held_before, name, self._since)
        answer = Compared(
            action=terms.on_match, matches=tuple(matches), unknown=before or self.gate.served.forgot(name)
        )
        # (4) No record, no answer.
        if answer.matches or answer.unknown:
            await self._record(caller, body, digest, answer)
        return answer

    def _terms(self) -> tuple[str, Terms | None]:
        policy = self.gate.policies.current()[1]
        return policy.digest, policy.terms.outputs or None

    async def _occurring(self, ruling: Ruling, words: tuple[str, ...]) -> dict[str, set[str]]:
        plan = await asyncio.to_thread(self.gate.plan, ruling, NOBODY, b"")
        finished = await self.gate.pool.run(CompareJob(plan=plan, words=words))
        found = msgspec.msgpack.decode(finished.result, type=CompareResult).found
        return {column: {words[place] for place in places} for column, places in found.items()}

    async def _record(self, caller: Caller, body: Compare, digest: str, answer: Compared) -> None:
        first = answer.matches[0] if answer.matches else None
        outputs = len({match.output for match in answer.matches})
        values = sum(match.values for match in answer.matches)
        header = Header(
            time=self.gate.vault.now(),
            kind=Kind.OUTPUTS_COMPARED,
            outcome=DONE[answer.action],
            policy=digest,
            dataset=first.dataset if first else None,
            columns=tuple(sorted({column for match in answer.matches for column in match.columns})),
            extra={
                "action": answer.action,
                "outputs": str(outputs),
                "values": str(values),
                **({"unknown": "yes"} if answer.unknown else {}),
            },
        )
        shown = UNKNOWN if answer.unknown else SHOWN.format(outputs=outputs, values=values)
        personal = replace(caller.personal(None, SAID[answer.action].format(shown)), notebook=body.notebook)
        await self.gate.vault.audit.record(header, personal)


def _matches(
    body: Compare, words: tuple[str, ...], ruling: Ruling, shown: dict[str, set[str]], least: int
) -> list[Match]:
    served = {word for found in shown.values() for word in found}
    matches = []
    for place, output in enumerate(body.outputs if words else ()):
        values = served.intersection(output.words)
        if len(values) >= least:
            columns = tuple(sorted(column for column, found in shown.items() if found & values))
            matches.append(Match(output=place, dataset=ruling.view.dataset, columns=columns, values=len(values)))
    return matches
