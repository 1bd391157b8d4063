"""The clean-ups of yield dependencies: the code after their `yield`.

Theory of operation
-------------------

A connection that has yield dependencies has one `Cleanups`. Each dependency is entered when its step comes: its code
runs up to the `yield`, and the rest is noted by lifetime. Lifetimes end in this order, and in each of them the last
dependency that was entered is left first:

1. "handshake": after the last dependency and before the endpoint starts (`finish_handshake`).
2. "function", then "request": after the endpoint (`finish`).

If nothing fails, `finish` just runs them one after the other. If the endpoint, a dependency or a clean-up raises, then
`throw` builds an exit stack of the standard library from all that is still entered. Each clean-up gets the exception
that comes out of the one before, may swallow it or replace it: these are the rules of `contextlib`, and FastAPI's.

Nothing cuts a clean-up off. An async generator runs in the task of the connection. One cancel scope is opened before
the first of them is entered, and shielded while a clean-up runs; a cancellation goes on after the clean-up. A sync
generator runs in a worker thread, outside the pool's limit, because the threads of the pool may all be waiting for the
very thing that this clean-up gives back.
"""

from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any, Protocol
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar, checkpoint_if_cancelled
from starlette.concurrency import run_in_threadpool

from .. import _fastapi
from ..params import Concurrency, Lifetime

__all__ = ["Cleanups", "semaphore_of"]


class _Entered(Protocol):
    """A yield dependency that has yielded."""

    async def finish(self) -> None:
        """Run the clean-up; nothing has failed."""

    async def leave(self, *error: Any) -> bool | None:
        """Run the clean-up as `__aexit__` of a context manager does: with an exception thrown in."""


class Cleanups:
    """The yield dependencies that one connection has entered, by lifetime."""

    __slots__ = ("_cancel_scope", "_entered")

    def __init__(self) -> None:
        # In the order in which they are left.
        self._entered: dict[str, list[_Entered]] = {"handshake": [], "function": [], "request": []}
        self._cancel_scope: anyio.CancelScope | None = None

    async def enter_async(self, lifetime: Lifetime, generator: AsyncGenerator[Any, None]) -> Any:
        """The value that an async generator yields."""
        if self._cancel_scope is None:
            # Opened before any generator: cancel scopes must close in reverse order, and a shield opened around the
            # clean-up alone would close before scopes the generator had opened earlier.
            self._cancel_scope = anyio.CancelScope()
            self._cancel_scope.__enter__()
        try:
            value = await anext(generator)
        except StopAsyncIteration:
            error = RuntimeError("generator didn't yield")
            _name_generator(error, generator)
            raise error from None
        self._entered[lifetime].append(_AsyncGenerator(generator, self._cancel_scope))
        return value

    async def enter_in_threads(
        self, lifetime: Lifetime, call: Callable[..., Iterator[Any]], arguments: dict[str, Any]
    ) -> Any:
        """The value that a sync generator yields in a worker thread."""
        manager: Any = contextmanager(call)(**arguments)
        try:
            value = await run_in_threadpool(manager.__enter__)
        except RuntimeError as error:
            _name_generator(error, manager.gen)
            raise
        self._entered[lifetime].append(_ThreadGenerator(manager))
        return value

    async def enter_limit(self, lifetime: Lifetime, limit: Concurrency) -> None:
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
        """Run all clean-ups; nothing has failed so far."""
        try:
            for entered in self._entered.values():
                while entered:
                    await entered.pop().finish()
        except BaseException as error:
            if not await self.throw(error):
                raise
        else:
            if self._cancel_scope is not None:
                self._cancel_scope.__exit__(None, None, None)

    async def throw(self, error: BaseException) -> bool:
        """Run all clean-ups with an exception thrown in, each with the one that comes out of the clean-up before.

        Returns:
            True if a clean-up swallowed the exception.
        """
        stack = AsyncExitStack()
        if self._cancel_scope is not None:
            stack.push(self._cancel_scope.__exit__)
        for lifetime in reversed(self._entered.values()):
            for entered in lifetime:
                stack.push_async_exit(entered.leave)
        return bool(await stack.__aexit__(type(error), error, error.__traceback__))


class _AsyncGenerator:
    """An async generator. Its clean-up runs to the end even if the connection is cancelled."""

    __slots__ = ("_cancel_scope", "_generator")

    def __init__(self, generator: AsyncGenerator[Any, None], cancel_scope: anyio.CancelScope) -> None:
        self._generator = generator
        self._cancel_scope = cancel_scope

    async def finish(self) -> None:
        cancel_scope = self._cancel_scope
        shielded, cancel_scope.shield = cancel_scope.shield, True
        try:
            await anext(self._generator)
        except StopAsyncIteration:
            pass
        else:
            await self._generator.aclose()
            error = RuntimeError("generator didn't stop")
            _name_generator(error, self._generator)
            raise error
        finally:
            cancel_scope.shield = shielded
        # A task group inside may have swallowed the cancellation while its parent was shielded.
        await checkpoint_if_cancelled()

    async def leave(self, *error: Any) -> bool | None:
        if error[0] is None:
            await self.finish()
            return None
        cancel_scope = self._cancel_scope
        shielded, cancel_scope.shield = cancel_scope.shield, True
        try:
            swallowed = await asynccontextmanager(lambda: self._generator)().__aexit__(*error)
        except RuntimeError as raised:
            _name_generator(raised, self._generator)
            raise
        finally:
            cancel_scope.shield = shielded
        if swallowed:
            await checkpoint_if_cancelled()
        return swallowed


class _ThreadGenerator:
    """A sync generator that is left in a worker thread, as it was entered."""

    __slots__ = ("_manager",)

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    async def finish(self) -> None:
        await self.leave(None, None, None)

    async def leave(self, *error: Any) -> bool | None:
        # Its own limiter: all threads of the pool may be waiting for the thing that this clean-up gives back.
        limiter = anyio.CapacityLimiter(1)
        swallowed: bool | None = None
        try:
            with anyio.CancelScope(shield=True):
                swallowed = await anyio.to_thread.run_sync(self._manager.__exit__, *error, limiter=limiter)
        except BaseException as raised:
            # trio hands over an exception from a thread without its context.
            if raised.__context__ is None:
                raised.__context__ = error[1]
            _name_generator(raised, self._manager.gen)
            raise
        return bool(swallowed)


def _name_generator(error: BaseException, generator: Any) -> None:
    """Name the dependency in an error of `contextlib`'s, which says only that a generator does not yield once."""
    code = getattr(generator, "ag_code", None) or getattr(generator, "gi_code", None)
    if code is not None and type(error) is RuntimeError and str(error).startswith("generator didn't "):
        error.add_note(
            f"{code.co_qualname} ({code.co_filename}:{code.co_firstlineno}): a dependency must reach one `yield`, and "
            "only one; put `yield` on each way through it, and return after it"
        )


class _Slot:
    """One slot of a `Depends(max_concurrency=...)`."""

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
    """The semaphore of one `Depends(max_concurrency=...)` in the running event loop.

    FastAPI's is FastAPI's own: its HTTP routes and these connections have their slots together.
    """
    shared: anyio.Semaphore | None = _fastapi.semaphore_of(limit)
    if shared is not None:
        return shared
    semaphores = _semaphores.get(None)
    if semaphores is None:
        semaphores = WeakKeyDictionary()
        _semaphores.set(semaphores)
    semaphore = semaphores.get(limit)
    if semaphore is None:
        semaphore = semaphores[limit] = anyio.Semaphore(limit.max_concurrency)
    return semaphore
