"""Which tables synthetic rows are drawn from, and what may be refused of them before any data.

The columns form a tree whose edges are pairs of columns; beside each column's own counts the pairs of the tree are
counted. With a target category every table is taken by its cells as well. Promise: a bound table, of whatever pair,
holds at most `MAX_CELLS` numbers.
"""

from __future__ import annotations

import itertools

from jupyter_secure.protocol.errors import InvalidRequestError
from jupyter_secure.protocol.training import MAX_CELLS, Marginals

from .encode import Block

# Shares of the budget: of each column's counts, of the choice of pairs, and of the pairs' counts.
ONES, CHOICE, PAIRS = 3, 1, 6
SHARES = ONES + CHOICE + PAIRS
MOST_COLUMNS = 40  # every pair of them is counted, to choose

Edge = tuple[int, int]


def target_block(model: Marginals, blocks: tuple[Block, ...]) -> Block | None:
    """Return the block of the target category, or None.

    Raises:
        InvalidRequestError: it is no category among the features.
    """
    found = next((block for block in blocks if block.col == model.target), None)
    if model.target is not None and (found is None or found.edges is not None or found.bounds is not None):
        raise InvalidRequestError(f"`{model.target}` must be one of the features, and a category with public keys.")
    return found


def others_of(model: Marginals, blocks: tuple[Block, ...]) -> tuple[Block, ...]:
    """Return the blocks that the tree joins."""
    return tuple(block for block in blocks if block.col != model.target)


def check_tables(target: Block | None, others: tuple[Block, ...]) -> None:
    """Refuse what could become too large, whatever pairs are chosen.

    Raises:
        InvalidRequestError: there are too many columns, or too many cells in one.
    """
    if len(others) > MOST_COLUMNS:
        raise InvalidRequestError(f"At most {MOST_COLUMNS} columns can be made together. Name those that you need.")
    classes = 1 if target is None else target.cells
    widest = sorted((block.cells for block in others), reverse=True)[:2]
    if classes * widest[0] * (widest[1] if len(widest) > 1 else 1) > MAX_CELLS:
        wide = max(others, key=lambda block: block.cells).col
        raise InvalidRequestError(
            f"Two columns together would have more than {MAX_CELLS:,} cells. Use fewer `edges`, or leave `{wide}` out."
        )


def rooted(edges: list[Edge]) -> dict[int, int]:
    """Return the parent of each column but the first, which is the root, parents before their children."""
    parents: dict[int, int] = {}
    reached, left = [0], list(edges)
    for parent in reached:
        for edge in [edge for edge in left if parent in edge]:
            left.remove(edge)
            child = edge[1] if edge[0] == parent else edge[0]
            parents[child] = parent
            reached.append(child)
    return parents


def joining(others: int, chosen: list[Edge]) -> list[Edge]:
    """Return the pairs that join two parts of the tree that are apart so far."""
    part = list(range(others))
    for one, two in chosen:
        kept, gone = part[one], part[two]
        part = [kept if each == gone else each for each in part]
    return [pair for pair in itertools.combinations(range(others), 2) if part[pair[0]] != part[pair[1]]]
