"""The clean-up of yield dependencies: when it runs, what is thrown into it, and that nothing cuts it off."""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar, checkpoint_if_cancelled
from starlette.concurrency import run_in_threadpool

from ..params import Concurrency, DependencyScope

__all__ = ["Cleanups", "semaphore_of"]


class _Entered(Protocol):
    """A yield dependency that has yielded."""

    async def finish(self) -> None:
        """Run the clean-up where nothing went wrong."""

    async def leave(self, *error: Any) -> bool | None:
        """Run the clean-up as the `__aexit__` of a context manager does: with an exception thrown in."""


class Cleanups:
    """What one connection has entered, by lifetime. Left in reverse order: handshake, function, request.

    On the good way each clean-up is just run. An exception is a matter for the exit stack of the standard library,
    whose rules (and those of its context managers) are FastAPI's as well.
    """

    __slots__ = ("_entered", "_scope")

    def __init__(self) -> None:
        # In the order in which they are left.
        self._entered: dict[str, list[_Entered]] = {"handshake": [], "function": [], "request": []}
        self._scope: anyio.CancelScope | None = None

    async def enter_async(self, lifetime: DependencyScope, generator: AsyncGenerator[Any, None]) -> Any:
        """The value that an async generator yields."""
        if self._scope is None:
            # Before the first generator, so that it encloses the cancel scopes that a generator opens: a shield
            # that is opened around the clean-up alone could not be left in order.
            self._scope = anyio.CancelScope()
            self._scope.__enter__()
        try:
            value = await anext(generator)
        except StopAsyncIteration:
            raise RuntimeError("generator didn't yield") from None
        self._entered[lifetime].append(_AsyncGenerator(generator, self._scope))
        return value

    async def enter_in_threads(
        self, lifetime: DependencyScope, call: Callable[..., Iterator[Any]], arguments: dict[str, Any]
    ) -> Any:
        """The value that a sync generator yields in a worker thread."""
        manager = contextmanager(call)(**arguments)
        value = await run_in_threadpool(manager.__enter__)
        self._entered[lifetime].append(_ThreadGenerator(manager))
        return value

    async def enter_limit(self, lifetime: DependencyScope, limit: Concurrency) -> None:
        """Wait for a slot, and keep it until the clean-up that is entered next is over."""
        slot = _Slot(semaphore_of(limit))
        await slot.semaphore.acquire()
        self._entered[lifetime].append(slot)

    async def finish_handshake(self) -> None:
        """Run the clean-ups that are due before the endpoint starts."""
        entered = self._entered["handshake"]
        while entered:
            await entered.pop().finish()

    async def finish(self) -> None:
        """Run all clean-ups where nothing went wrong."""
        try:
            for entered in self._entered.values():
                while entered:
                    await entered.pop().finish()
        except BaseException as error:
            if not await self.throw(error):
                raise
        else:
            if self._scope is not None:
                self._scope.__exit__(None, None, None)

    async def throw(self, error: BaseException) -> bool:
        """Run all clean-ups with an exception thrown in, as it comes out of the one before; True: it is swallowed."""
        stack = AsyncExitStack()
        if self._scope is not None:
            stack.push(self._scope.__exit__)
        for lifetime in reversed(self._entered.values()):
            for entered in lifetime:
                stack.push_async_exit(entered.leave)
        return bool(await stack.__aexit__(type(error), error, error.__traceback__))


class _AsyncGenerator:
    """An async generator whose clean-up runs to its end also when the connection is cancelled."""

    __slots__ = ("_generator", "_scope")

    def __init__(self, generator: AsyncGenerator[Any, None], scope: anyio.CancelScope) -> None:
        self._generator = generator
        self._scope = scope

    async def finish(self) -> None:
        scope = self._scope
        shielded, scope.shield = scope.shield, True
        try:
            await anext(self._generator)
        except StopAsyncIteration:
            pass
        else:
            await self._generator.aclose()
            raise RuntimeError("generator didn't stop")
        finally:
            scope.shield = shielded
        # A task group inside may have swallowed the cancellation while its parent was shielded.
        await checkpoint_if_cancelled()

    async def leave(self, *error: Any) -> bool | None:
        if error[0] is None:
            await self.finish()
            return False
        scope = self._scope
        shielded, scope.shield = scope.shield, True
        try:
            swallowed = await asynccontextmanager(lambda: self._generator)().__aexit__(*error)
        finally:
            scope.shield = shielded
        if swallowed:
            await checkpoint_if_cancelled()
        return swallowed


class _ThreadGenerator:
    """A sync generator that is left in a worker thread, as it was entered."""

    __slots__ = ("_manager",)

    def __init__(self, manager: AbstractContextManager[Any]) -> None:
        self._manager = manager

    async def finish(self) -> None:
        await self.leave(None, None, None)

    async def leave(self, *error: Any) -> bool | None:
        # A limiter of its own: the pool's threads may all be waiting for what this clean-up gives back.
        limiter = anyio.CapacityLimiter(1)
        swallowed: bool | None = None
        try:
            with anyio.CancelScope(shield=True):
                swallowed = await anyio.to_thread.run_sync(self._manager.__exit__, *error, limiter=limiter)
        except BaseException as raised:
            # trio hands over what a thread raised without the exception it was raised for.
            if raised.__context__ is None and raised is not error[1]:
                raised.__context__ = error[1]
            raise
        return bool(swallowed)


class _Slot:
    """One of the places of a `Depends(max_concurrency=...)`."""

    __slots__ = ("semaphore",)

    def __init__(self, semaphore: anyio.Semaphore) -> None:
        self.semaphore = semaphore

    async def finish(self) -> None:
        self.semaphore.release()

    async def leave(self, *error: Any) -> bool | None:
        self.semaphore.release()
        return False


_semaphores: RunVar[WeakKeyDictionary[Concurrency, anyio.Semaphore]] = RunVar("fastroute_semaphores")


def semaphore_of(limit: Concurrency) -> anyio.Semaphore:
    """The semaphore of one `Depends(max_concurrency=...)` in the running event loop."""
    semaphores = _semaphores.get(None)
    if semaphores is None:
        semaphores = WeakKeyDictionary()
        _semaphores.set(semaphores)
    semaphore = semaphores.get(limit)
    if semaphore is None:
        semaphore = semaphores[limit] = anyio.Semaphore(limit.max_concurrency)
    return semaphore
