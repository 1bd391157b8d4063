"""Sync dependencies in worker threads; adjacent ones share a trip, which costs far more than most of them do."""

from collections.abc import Awaitable, Callable
from contextvars import copy_context
from functools import partial
from typing import Any

from anyio import from_thread
from starlette.concurrency import run_in_threadpool

__all__ = ["Together", "run_in_thread", "run_together"]


def run_in_thread(call: Callable[..., Any], /, **arguments: Any) -> Awaitable[Any]:
    """The result of one call in a worker thread, whatever its parameters are called."""
    # As a partial: `run_in_threadpool` has a parameter `func` of its own.
    return run_in_threadpool(partial(call, **arguments))


class Together:
    """Runs a batch of calls in one worker thread, each as if it had come alone.

    A connection that is cancelled stops between two calls, too.
    """

    __slots__ = ("_abandoned", "_begun")

    def __init__(self) -> None:
        self._begun = self._abandoned = False

    def run(self, call: Callable[..., Any], /, **arguments: Any) -> Any:
        """The result of one call, in a context of its own: the next one does not see the variables it sets."""
        if self._begun:
            # anyio cancels by its scopes. A cancelled asyncio task only abandons the batch.
            from_thread.check_cancelled()
            if self._abandoned:
                raise RuntimeError("the client disconnected (never shown)")
        self._begun = True
        # As a partial: PyPy's `Context.run` has a parameter `callable` of its own.
        return copy_context().run(partial(call, **arguments))

    def abandon(self) -> None:
        """Start no further call."""
        self._abandoned = True


async def run_together(calls: Callable[[Together], Any]) -> Any:
    """The result of `calls`, which runs in a worker thread and makes each call there through its argument."""
    together = Together()
    try:
        return await run_in_threadpool(calls, together)
    except BaseException:
        together.abandon()
        raise
