"""What is saved passes here: outputs that show served values are taken out of the file, or refused, as policy says.

Every save of the contents manager goes through `Saving.save`, checkpoints are copies of what it wrote. What the file on
disk holds already was compared when it was saved and is not compared again. Promise: with a broker that cannot be
asked, new outputs are not written, and nothing else of the person's work is lost.

Steps: the outputs that are new; their words to the broker; its answer to the notebook.
"""

from __future__ import annotations

import copy
import json
import logging
from collections.abc import Callable
from typing import Any

from jupyter_core.utils import ensure_async
from jupyter_server.services.contents.manager import ContentsManager
from tornado import web

from jupyter_secure.protocol.errors import SecureError
from jupyter_secure.protocol.messages import MAX_WORDS, Compare, Compared, OutputWords

from .outputs import Piece, pieces, without, words
from .sessions import Person

PATIENCE = 120.0  # seconds; a large view is made again for it
NOTE = "jupyter-secure left this output out of the saved file: {why}. It stays in the notebook in front of you."
SHOWS = "it shows {values} of {dataset} ({columns})"
UNKNOWN = "what your kernels were given is not known any more; restart them and run the cells again"
TOO_LONG = "it is too long to be compared with what you were served"
AWAY = "the broker could not be asked whether it shows served values"


class Saving:
    """The way of every file to the disk."""

    def __init__(self, upstream: Any, asking: Callable[[], Person | None], log: logging.Logger) -> None:
        self._upstream, self._asking, self._log = upstream, asking, log

    def guard(self, manager: ContentsManager) -> None:
        """Put the way of a contents manager's files through here."""
        save = manager.save

        async def guarded(model: dict[str, Any], path: str = "") -> dict[str, Any]:
            return await ensure_async(save(await self.compared(manager, model, path), path))

        manager.save = guarded

    async def compared(self, manager: ContentsManager, model: dict[str, Any], path: str) -> dict[str, Any]:
        """Return the model as it may be written.

        Raises:
            HTTPError: policy refuses to save outputs that show served values.
        """
        notebook = _notebook(model, path)
        held = {piece.digest for piece in pieces(await self._on_disk(manager, path))} if notebook else set()
        new = [piece for piece in pieces(notebook) if piece.digest not in held]
        person = self._asking()
        if not new or person is None:
            return model
        action, taken = await self._judge(person, path.strip("/"), new)
        if not taken or action in {"off", "warn"}:
            return model
        if action == "refuse":
            raise web.HTTPError(409, _refusal(taken))
        made = copy.deepcopy(notebook)
        without(made, {piece: NOTE.format(why=why) for piece, why in taken.items()})
        return {**model, "content": made if model.get("type") == "notebook" else json.dumps(made)}

    async def _judge(self, person: Person, path: str, new: list[Piece]) -> tuple[str, dict[Piece, str]]:
        listed, asked, room = [], [], MAX_WORDS
        taken: dict[Piece, str] = {}
        for piece in new:
            shown = words(piece.content)
            if len(shown) > room:
                taken[piece] = TOO_LONG
                continue
            room -= len(shown)
            asked.append(piece)
            listed.append(OutputWords(words=tuple(sorted(shown))))
        question = Compare(ticket=person.ticket, notebook=path[:1024], outputs=tuple(listed))
        try:
            reply, _ = await self._upstream.request(question, patience=PATIENCE)
        except SecureError as error:
            self._log.warning("jupyter_secure | outputs of a notebook are not saved: %s", error.public)
            return "strip", dict.fromkeys(new, AWAY)
        assert isinstance(reply, Compared)
        if reply.unknown:
            return reply.action, dict.fromkeys(new, UNKNOWN)
        for match in reply.matches:
            values = "1 value" if match.values == 1 else f"{match.values} values"
            why = SHOWS.format(values=values, dataset=match.dataset, columns=", ".join(match.columns))
            taken.setdefault(asked[match.output], why)
        return reply.action, taken

    async def _on_disk(self, manager: ContentsManager, path: str) -> Any:
        try:
            if not await ensure_async(manager.file_exists(path)):
                return None
            return (await ensure_async(manager.get(path, content=True, type="notebook")))["content"]
        except (web.HTTPError, OSError, ValueError):
            return None  # unreadable: then everything is new


def _notebook(model: dict[str, Any], path: str) -> Any:
    """Return the notebook in a model, None if it holds none."""
    content = model.get("content")
    if model.get("type") == "notebook":
        return content
    if not path.endswith(".ipynb") or not isinstance(content, str):
        return None
    try:
        return json.loads(content)
    except ValueError:
        return None


def _refusal(taken: dict[Piece, str]) -> str:
    first = next(iter(taken.values()))
    return (
        f"Not saved, because of {len(taken)} output(s): {first}. Clear these outputs and save again; "
        "nothing in front of you is lost."
    )
