"""What a language model is told of a long conversation: the latest, and a summary of the rest.

The summary is made beside the conversation, so that no answer waits for it; until it is there, what
does not fit is left out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

from constellation.errors import ConstellationError

from .ports import Said

BUDGET = 6_000
"""Characters of what was said that are told word by word."""

log = logging.getLogger("constellation.agent")


class Recollection:
    """One conversation, as far as it is remembered.

    Args:
        summarise: takes the summary so far and what is to be added, as text; returns a new one. It
            blocks, and is called in a thread.
        budget: see `BUDGET`.
    """

    def __init__(self, summarise: Callable[[str, str], str], budget: int = BUDGET) -> None:
        self._summarise = summarise
        self._budget = budget
        self._summary = ""
        self._covered: Said | None = None
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="summary")
        self._running: Future[str] | None = None
        self._adds: Said | None = None

    def of(self, context: Sequence[Said]) -> tuple[str, list[Said]]:
        """The summary of what was said long ago, and the latest that was said, word by word.

        Args:
            context: what was said, oldest first; its beginning may be gone.
        """
        self._take()
        return self._summary, _latest(self._rest(context), self._budget)

    def catch_up(self, context: Sequence[Said]) -> None:
        """Begin to sum up what no longer fits, if nothing of it is under way."""
        self._take()
        rest = self._rest(context)
        if self._running is None and len(_latest(rest, self._budget)) < len(rest):
            # So much that it need not be done again at once.
            old = rest[: len(rest) - len(_latest(rest, self._budget // 2))]
            self._adds = old[-1]
            text = "\n".join(f"{each.who}: {each.text}" for each in old)
            self._running = self._pool.submit(self._summarise, self._summary, text)

    def settle(self) -> None:
        """Wait for a summary that is being made."""
        if self._running is not None:
            self._running.exception()

    def _take(self) -> None:
        running = self._running
        if running is None or not running.done():
            return
        self._running = None
        try:
            self._summary = running.result()
        except ConstellationError as error:
            log.warning("There is no summary of the conversation: %s", error)
        else:
            self._covered = self._adds

    def _rest(self, context: Sequence[Said]) -> Sequence[Said]:
        """What is not in the summary: all, if the last that is in it is gone."""
        for number in reversed(range(len(context))):
            if context[number] is self._covered:
                return context[number + 1 :]
        return context


def _latest(said: Sequence[Said], budget: int) -> list[Said]:
    """As much from the end as fits."""
    left = budget
    for number, each in enumerate(reversed(said)):
        left -= len(each.text)
        if left < 0:
            return list(said[len(said) - number :])
    return list(said)
