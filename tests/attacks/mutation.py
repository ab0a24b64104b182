"""Small damage to a file, the same for the same seed."""

import random

PATTERNS = (b"\xff" * 8, b"\0" * 8, b"\x7f" + b"\xff" * 7)


def mutated(content, seed):
    """Return the content with one to eight changes; half of them near the end, where footers lie."""
    chance, changed = random.Random(seed), bytearray(content)
    for _ in range(chance.choice([1, 1, 2, 8])):
        place = chance.randrange(len(changed))
        if chance.random() < 0.5:
            place = len(changed) - 1 - chance.randrange(min(len(changed), 1500))
        kind = chance.randrange(5)
        if kind == 0:
            changed[place] ^= 1 << chance.randrange(8)
        elif kind == 1:
            changed[place] = chance.randrange(256)
        elif kind == 2:
            del changed[place : place + chance.randrange(1, 64)]
        elif kind == 3:
            changed[place:place] = chance.randbytes(chance.randrange(1, 32))
        else:
            changed[place : place + 8] = chance.choice(PATTERNS)
        changed = changed or bytearray(b"x")
    return bytes(changed)
