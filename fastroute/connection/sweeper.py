"""One look at all connections with a policy, five times a second: no connection has a timer or a task of its own."""

import asyncio
import logging
import sys
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol

import anyio
from anyio.lowlevel import RunVar

from .interrupting import spawn

__all__ = ["PERIOD", "Sweeper", "Swept", "current_sweeper"]

PERIOD = 0.2  # seconds

_logger = logging.getLogger("fastroute")


class Swept(Protocol):
    """A connection, as far as the sweeper knows it."""

    def look(self, now: float) -> None:
        """Do what is due by the monotonic clock. Raises nothing."""


class Sweeper:
    """Of one event loop. It runs as long as there are connections to look at.

    Attributes:
        is_asyncio: whether the event loop is asyncio's.
        drains: of the event loop, the outermost first; see `draining`.
    """

    __slots__ = ("_cancel", "_swept", "drains", "is_asyncio", "loop")

    def __init__(self, loop: Any, is_asyncio: bool) -> None:
        self.loop = loop
        self.is_asyncio = is_asyncio
        self.drains: list[Any] = []
        self._swept: set[Swept] = set()
        self._cancel: Callable[[], object] | None = None

    def add(self, swept: Swept) -> None:
        self._swept.add(swept)
        if self._cancel is None:
            self._cancel = spawn(self.is_asyncio, self._run)

    def remove(self, swept: Swept) -> None:
        self._swept.discard(swept)

    async def _run(self) -> None:
        try:
            while self._swept:
                await anyio.sleep(PERIOD)
                now = monotonic()
                for swept in tuple(self._swept):
                    try:
                        swept.look(now)
                    except Exception:
                        _logger.exception("fastroute looks at a connection")
        finally:
            self._cancel = None


_of_loop: RunVar[Sweeper] = RunVar("fastroute_sweeper")
_of_thread = threading.local()


def current_sweeper() -> Sweeper:
    """The sweeper of the running event loop."""
    loop = asyncio._get_running_loop()
    last: Sweeper | None = getattr(_of_thread, "sweeper", None)
    # A token of trio is one object for each run, as a loop of asyncio is.
    token = sys.modules["trio"].lowlevel.current_trio_token() if loop is None else loop
    if last is not None and last.loop is token:
        return last
    sweeper = _of_loop.get(None)
    if sweeper is None:
        sweeper = Sweeper(token, loop is not None)
        _of_loop.set(sweeper)
    _of_thread.sweeper = sweeper
    return sweeper
