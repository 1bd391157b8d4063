"""One look at all lives, five times a second: no timeout needs a timer or a task."""

import asyncio
import logging
from asyncio import _get_running_loop
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

import anyio
from anyio.lowlevel import RunVar

from .interrupting import sees_shields, spawn

__all__ = ["PERIOD", "Sweeper", "Swept", "current_sweeper"]

PERIOD = 0.2  # seconds

_logger = logging.getLogger("fastroute")


class Swept(Protocol):
    """A connection, as far as the sweeper knows it."""

    def look(self, now: float) -> None:
        """Do what is due by the monotonic clock. Raises nothing."""


class Sweeper:
    """Of one event loop.

    Attributes:
        loop: the loop of asyncio; None on trio.
        cancels_tasks: whether an endpoint is ended by a cancellation of its task, and not by cancel scopes.
        lives: the connections to look at.
        drains: of the event loop, the outermost first; see `draining`.
        runs: whether it is started; it ends when there are no connections to look at.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop | None) -> None:
        self.loop = loop
        self.cancels_tasks = loop is not None and sees_shields()
        self.lives: set[Swept] = set()
        self.drains: list[Any] = []
        self.runs = False
        self._cancel: Callable[[], object] | None = None

    def start(self) -> None:
        """Look at all connections from now on."""
        self.runs = True
        # Kept: a task that nobody holds may vanish.
        self._cancel = spawn(self._run, self.loop)

    async def _run(self) -> None:
        try:
            while self.lives:
                await anyio.sleep(PERIOD)
                now = monotonic()
                for life in tuple(self.lives):
                    try:
                        life.look(now)
                    except Exception:
                        _logger.exception("fastroute looks at a connection")
        finally:
            self.runs = False


_of_loop: RunVar[Sweeper] = RunVar("fastroute_sweeper")
#: The one that was asked for last, by any thread; a RunVar alone would cost more than the rest of a connection.
_last: Sweeper | None = None


def current_sweeper() -> Sweeper:
    """The sweeper of the running event loop."""
    global _last
    loop = _get_running_loop()
    last = _last
    if last is not None and last.loop is loop:
        return last
    sweeper = _of_loop.get(None)
    if sweeper is None:
        sweeper = Sweeper(loop)
        _of_loop.set(sweeper)
    if loop is not None:
        _last = sweeper
    return sweeper
