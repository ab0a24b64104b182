"""The table of `docs/guard-attempts.md`, made from verdicts.

To make it anew, as an ordinary person: `python -m tests.attacks.guard.table`.
"""

import sys

from jupyter_secure.guard import probe
from jupyter_secure.guard.attempt.attempt import CLASSES
from jupyter_secure.guard.attempt.trial import CATALOGUE, run
from jupyter_secure.protocol.grant import GuardLevel

LEVELS = ("G0", "G2", "G3")


def render(verdicts):
    """Return the table, given for each level the results by (kind, name)."""
    lines, notes = [], {}
    for kind, attempts in CATALOGUE.items():
        lines += [
            "",
            f"### {kind}: a kernel {CLASSES[kind]}",
            "",
            "| attempt | the kernel | none | G2 | G3 |",
            "|---|---|---|---|---|",
        ]
        for attempt in attempts:
            found = [verdicts[level][kind, attempt.name] for level in LEVELS]
            words = [each["verdict"] + _mark(each["instead"], notes) for each in found]
            lines.append(f"| `{attempt.name}` | {attempt.does} | {' | '.join(words)} |")
    found_at_g3 = verdicts["G3"]
    counts = [_counted(verdicts[level].values()) for level in LEVELS]
    lines += [
        "",
        f"Of {len(found_at_g3)} attempts get there: {counts[0]} without walls, {counts[1]} at G2, {counts[2]} at G3.",
        "",
    ]
    lines += [f"{number}. {note[0].upper()}{note[1:]}." for note, number in notes.items()]
    return "\n".join(lines).strip() + "\n"


def _mark(instead, notes):
    return f" ({notes.setdefault(instead, len(notes) + 1)})" if instead else ""


def _counted(found):
    return sum(each["verdict"] in {"open", "reached"} for each in found)


def main():
    host = probe.host()
    verdicts = {
        level: {(each.kind, each.name): vars(each) for each in run(GuardLevel(level), host)} for level in LEVELS
    }
    sys.stdout.write(render(verdicts))


if __name__ == "__main__":
    main()
