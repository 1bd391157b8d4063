"""Adjacent sync dependencies in one trip to a worker thread: the trip costs far more than what most of them do."""

from collections.abc import Callable
from contextvars import copy_context
from typing import Any

from anyio import from_thread
from starlette.concurrency import run_in_threadpool

__all__ = ["Together", "run_together"]


class Together:
    """What the thread has of a trip: it runs the calls one after the other, as separate trips would."""

    __slots__ = ("_abandoned", "_begun")

    def __init__(self) -> None:
        self._begun = self._abandoned = False

    def run(self, call: Callable[..., Any], /, **arguments: Any) -> Any:
        """The result of one call, in a context of its own: what it sets there, the next one does not see."""
        if self._begun:
            # Between trips a connection that is cancelled would end: by anyio, or by a task that was cancelled.
            from_thread.check_cancelled()
            if self._abandoned:
                raise RuntimeError("the connection has gone; nobody sees this")
        self._begun = True
        return copy_context().run(call, **arguments)

    def abandon(self) -> None:
        """Start no further call."""
        self._abandoned = True


async def run_together(calls: Callable[[Together], Any]) -> Any:
    """The result of `calls`, which runs in a worker thread and there makes each call through the argument it gets."""
    together = Together()
    try:
        return await run_in_threadpool(calls, together)
    except BaseException:
        together.abandon()
        raise
