"""Draining: when an application shuts down, its open connections end first, and so do their clean-ups."""

import inspect
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from typing import Any, Protocol

import anyio
from starlette.types import Lifespan, Scope

from .observing import logger, route_of
from .policy import check_seconds
from .sweeper import current_sweeper

__all__ = ["Drain", "drain_of", "draining", "drains"]


class _Connection(Protocol):
    def shut_down(self) -> None: ...


class Drain:
    """The open connections of one application.

    Args:
        app: the application.
    """

    def __init__(self, app: Any) -> None:
        self.app = app
        self._open: dict[_Connection, Scope] = {}
        self._empty: anyio.Event | None = None

    def add(self, connection: _Connection, scope: Scope) -> None:
        self._open[connection] = scope

    def remove(self, connection: _Connection) -> None:
        self._open.pop(connection, None)
        if self._empty is not None and not self._open:
            self._empty.set()

    @property
    def ends(self) -> bool:
        """Whether connections must end."""
        return self._empty is not None

    async def run(self, timeout: float) -> None:
        """End all connections, and wait until their last clean-up is over, or the timeout."""
        self._empty = anyio.Event()
        for connection in tuple(self._open):
            connection.shut_down()
        with anyio.move_on_after(timeout):
            while self._open:  # also those that come while the last one leaves
                self._empty = anyio.Event()
                await self._empty.wait()
        if self._open:
            logger.warning(
                "%d connections did not end within %s seconds, and are abandoned; routes: %s",
                len(self._open),
                timeout,
                ", ".join(sorted({route_of(scope) for scope in self._open.values()})),
            )


#: Those of all event loops; empty as long as nobody asks for any.
drains: list[Drain] = []


def drain_of(drains: Sequence[Drain], scope: Scope) -> Drain:
    """The drain of a connection: its application's own, or the innermost one that was started."""
    app = scope.get("app")
    return next((drain for drain in reversed(drains) if drain.app is app), drains[-1])


def draining(lifespan: Lifespan[Any] | None = None, *, timeout: float = 10.0) -> Lifespan[Any]:
    """A lifespan that ends the open connections of our routes before it ends itself.

    They are closed with 1012 ("service restart"), and their endpoints are ended as by a `ConnectionPolicy`. Every
    clean-up of a connection has run when the wrapped lifespan does its own, so that its pools are still there. Give it
    to the outermost application: `Starlette(lifespan=draining())`, `FastAPI(lifespan=draining(mine))`.

    Args:
        lifespan: the application's own, an async context manager.
        timeout: seconds for all connections together; the rest is abandoned, with a warning in the log.

    Raises:
        TypeError: `lifespan` is no async context manager, or `timeout` no number.
        ValueError: `timeout` is not above 0.
    """
    check_seconds("timeout", timeout)
    if lifespan is not None:
        _check_lifespan(lifespan)

    @asynccontextmanager
    async def drained(app: Any) -> AsyncIterator[Any]:
        wrapped: AbstractAsyncContextManager[Any] = nullcontext() if lifespan is None else lifespan(app)
        async with wrapped as state:
            drain, of_loop = Drain(app), current_sweeper().drains
            drains.append(drain)
            of_loop.append(drain)
            try:
                yield state
                await drain.run(timeout)
            finally:
                drains.remove(drain)
                of_loop.remove(drain)

    return drained


def _check_lifespan(lifespan: Any) -> None:
    if not callable(lifespan):
        raise TypeError(f"draining({lifespan!r}): give a function that makes an async context manager")
    # One that is decorated with `contextmanager` is a generator too.
    yields = inspect.isasyncgenfunction(lifespan) or inspect.isgeneratorfunction(inspect.unwrap(lifespan))
    if yields or inspect.iscoroutinefunction(lifespan):
        problem = "" if yields else "let it yield, and "
        raise TypeError(f"draining({lifespan.__name__}): {problem}decorate it with @contextlib.asynccontextmanager")
