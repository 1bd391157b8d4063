"""How the endpoint of one connection is ended from outside, on asyncio and on trio, at no cost until that happens.

On asyncio a task is cancelled, once, and the cancellation is taken back as soon as it has come out (as
`asyncio.timeout` does). It waits as long as the task is shielded, for example because a thread works for it. Everything
else (trio, and an anyio whose shields cannot be seen) has a cancel scope for each section.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from contextvars import Context
from types import TracebackType
from typing import Any, Protocol

import anyio
from anyio._backends import _asyncio

__all__ = ["Interrupted", "Section", "new_part", "new_section", "spawn"]


class Interrupted(Exception):
    """Comes out of a part that was interrupted, in the place of its result."""


class Section(Protocol):
    """Code of one task that may be interrupted from outside."""

    def __enter__(self) -> Any: ...

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> Any: ...

    def interrupt(self) -> bool:
        """Interrupt the code; False if it is shielded, so that this must be tried again."""

    def took(self, error: BaseException | None) -> bool:
        """Whether an error came out because of `interrupt`; from then on the rest of the section is left alone."""
        ...


#: The cancel scopes of each task; None if this anyio keeps them somewhere else.
_STATES: Any = getattr(_asyncio, "_task_states", None)


def _is_shielded(task: Any) -> bool:
    state = _STATES.get(task)
    scope = None if state is None else state.cancel_scope
    while scope is not None:
        if scope.shield:
            return True
        scope = scope._parent_scope
    return False


def _is_cancellation(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether it is a cancellation, or a group of nothing else."""
    if isinstance(error, BaseExceptionGroup):
        return error.split(kind)[1] is None
    return isinstance(error, kind)


class _TaskSection:
    """A section on asyncio."""

    __slots__ = ("_cancelling", "_task")

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] = asyncio.current_task()  # type: ignore[assignment]  # there is one
        self._cancelling: int | None = None

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        pass

    def interrupt(self) -> bool:
        if self._cancelling is None and not _is_shielded(self._task):
            self._cancel()
        return self._cancelling is not None

    def _cancel(self) -> None:
        self._cancelling = self._task.cancelling()
        self._task.cancel()

    def took(self, error: BaseException | None) -> bool:
        if self._cancelling is None:
            return False
        # Somebody else may have cancelled the task meanwhile.
        alone = self._task.uncancel() <= self._cancelling
        self._cancelling = None
        return alone and _is_cancellation(error, asyncio.CancelledError)


class _TaskPart(_TaskSection):
    """A call on asyncio that is interrupted for certain."""

    __slots__ = ()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._cancelling is not None and self.took(error):
            raise Interrupted from None

    def interrupt(self) -> bool:
        # Also inside a shield: the call ends with an error, and nothing around it is cancelled.
        if self._cancelling is None:
            self._cancel()
        return True


class _ScopeSection:
    """A section that has a cancel scope. A scope stays cancelled, so a second one inside shields what comes later."""

    __slots__ = ("_outer", "_shield")

    def __init__(self) -> None:
        self._outer, self._shield = anyio.CancelScope(), anyio.CancelScope()

    def __enter__(self) -> None:
        self._outer.__enter__()
        self._shield.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> bool:
        swallowed = self._shield.__exit__(kind, error, traceback)
        outer = self._outer.__exit__(*((None, None, None) if swallowed else (kind, error, traceback)))
        return bool(swallowed or outer)

    def interrupt(self) -> bool:
        self._outer.cancel()
        return True

    def took(self, error: BaseException | None) -> bool:
        if not self._outer.cancel_called:
            return False
        self._shield.shield = True
        return _is_cancellation(error, anyio.get_cancelled_exc_class())


class _ScopePart:
    """A call that has a cancel scope."""

    __slots__ = ("_scope",)

    def __init__(self) -> None:
        self._scope = anyio.CancelScope()

    def __enter__(self) -> None:
        self._scope.__enter__()

    def __exit__(self, kind: Any, error: BaseException | None, traceback: TracebackType | None) -> bool:
        swallowed = self._scope.__exit__(kind, error, traceback)
        if self._scope.cancelled_caught:
            raise Interrupted from None
        return bool(swallowed)

    def interrupt(self) -> bool:
        self._scope.cancel()
        return True

    def took(self, error: BaseException | None) -> bool:
        return self._scope.cancel_called


def new_section(is_asyncio: bool) -> Section:
    """A section for the endpoint of a connection, in the task that runs it."""
    return _TaskSection() if is_asyncio and _STATES is not None else _ScopeSection()


def new_part(is_asyncio: bool) -> Section:
    """A section for one call inside; `Interrupted` comes out of it."""
    return _TaskPart() if is_asyncio else _ScopePart()


def spawn(is_asyncio: bool, run: Callable[[], Awaitable[None]]) -> Callable[[], object]:
    """Run something that belongs to the event loop and to no task in it.

    Args:
        is_asyncio: whether the event loop is asyncio's.
        run: raises nothing.

    Returns:
        A function that cancels it.
    """
    if is_asyncio:
        # The loop itself holds a task only weakly; this method does so strongly. In no context: it outlives this one.
        task = asyncio.get_running_loop().create_task(_awaited(run), context=Context())
        return task.cancel
    scope = anyio.CancelScope()

    async def scoped() -> None:
        with scope:
            await run()

    # Only trio itself can start a task that has no parent, and trio is imported if it runs this.
    sys.modules["trio"].lowlevel.spawn_system_task(scoped, context=Context())
    return scope.cancel


async def _awaited(run: Callable[[], Awaitable[None]]) -> None:
    await run()
