"""What asyncio and trio do differently: finds shields, tells cancellations, spawns tasks without a parent."""

import asyncio
import functools
import gc
import sys
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterator
from contextvars import Context
from typing import Any

import anyio

__all__ = ["is_cancellation", "is_shielded", "sees_shields", "spawn", "trio_task", "waits_for"]


@functools.cache
def _states() -> Any:
    """The cancel scopes of each task of asyncio; None if this anyio keeps them somewhere else."""
    # Here, as it is half of the time that it takes to import fastroute; if asyncio runs, it has been imported.
    from anyio._backends import _asyncio

    return getattr(_asyncio, "_task_states", None)


def sees_shields() -> bool:
    """Whether `is_shielded` can tell."""
    return _states() is not None


def is_shielded(task: "asyncio.Task[Any]") -> bool:
    """Whether a task is inside a shield of anyio, for example because a thread works for it."""
    state = _states().get(task)
    scope = None if state is None else state.cancel_scope
    while scope is not None:
        if scope.shield:
            return True
        scope = scope._parent_scope
    return False


def is_cancellation(error: BaseException | None) -> bool:
    """Whether it is a cancellation, or a group of nothing else."""
    cancelled = anyio.get_cancelled_exc_class()
    if isinstance(error, BaseExceptionGroup):
        return error.split(cancelled)[1] is None
    return isinstance(error, cancelled)


def trio_task() -> Any:
    """The running task of trio."""
    return sys.modules["trio"].lowlevel.current_task()


def waits_for(task: Any) -> object:
    """What a task of asyncio or trio waits for, in its deepest call: another object as soon as it has gone on."""
    *_, deepest = _calls(task)
    return deepest


def _calls(task: Any) -> Iterator[object]:
    """What a task that waits has called, the outermost first."""
    call = task.get_coro() if hasattr(task, "get_coro") else task.coro
    seen: set[int] = set()
    while call is not None and id(call) not in seen:  # an awaitable of somebody's own may hold on to its caller
        seen.add(id(call))
        yield call
        kind = next((kind for kind in ("cr_await", "gi_yieldfrom", "ag_await") if hasattr(call, kind)), None)
        call = _inside(call) if kind is None else getattr(call, kind)


def _inside(awaitable: object) -> object:
    """What runs inside of an awaitable that does not tell, as the `__anext__()` of an async generator does not."""
    found = gc.get_referents(awaitable)
    return next((each for each in found if isinstance(each, AsyncGenerator | Coroutine | Generator)), None)


def spawn(run: Callable[[], Awaitable[None]], loop: asyncio.AbstractEventLoop | None) -> Callable[[], object]:
    """Run something that belongs to the event loop and to no task in it.

    Args:
        run: raises nothing.
        loop: the running one of asyncio, or None on trio.

    Returns:
        A function that cancels it.
    """
    if loop is not None:
        # The loop holds its tasks weakly; this method holds the task. In no context, as it outlives the caller's; trio
        # takes none for a system task.
        return loop.create_task(_awaited(run), context=Context()).cancel
    scope = anyio.CancelScope()

    async def scoped() -> None:
        with scope:
            await run()

    # Only trio itself can start a task that has no parent, and it is imported if it runs this.
    sys.modules["trio"].lowlevel.spawn_system_task(scoped)
    return scope.cancel


async def _awaited(run: Callable[[], Awaitable[None]]) -> None:
    await run()
