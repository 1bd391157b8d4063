"""Adjacent sync dependencies share one trip to a thread, and nobody can see it otherwise."""

import asyncio
import contextvars
import threading
import time
from typing import Annotated, Any

import anyio
import anyio.to_thread
import pytest
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Depends, Query

BACKENDS = ["asyncio", "trio"]


class Settings:
    def __init__(self) -> None:
        self.n = 1


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """One item for each trip to a worker thread."""
    made: list[Any] = []
    run_sync = anyio.to_thread.run_sync

    async def counted(call: Any, *args: Any, **options: Any) -> Any:
        made.append(call)
        return await run_sync(call, *args, **options)

    monkeypatch.setattr(anyio.to_thread, "run_sync", counted)
    return made


@pytest.mark.generated
@pytest.mark.parametrize("backend", BACKENDS)
def test_one_trip(trips: list[Any], backend: str) -> None:
    def first(q: int) -> int:
        return q

    def second(first: Annotated[int, Depends(first)], settings: Annotated[Settings, Depends()]) -> int:
        return first + settings.n

    seen = []

    async def endpoint(websocket: WebSocket, a: Annotated[int, Depends(second)]) -> None:
        seen.append(a)

    connect(APIWebSocketRoute("/", endpoint), websocket_scope("/?q=4"), backend=backend)
    assert seen == [5]
    assert len(trips) == 1


def test_a_call_that_reads_parameters_is_limited_or_is_async_shares_no_trip(trips: list[Any]) -> None:
    def plain() -> None: ...

    def reads(q: Annotated[int, Query()] = 1) -> None: ...

    def limited() -> None: ...

    async def asynchronous() -> None: ...

    def last() -> None: ...

    dependencies = [Depends(plain), Depends(reads), Depends(limited, max_concurrency=1), Depends(asynchronous)]

    async def endpoint(websocket: WebSocket) -> None: ...

    route = APIWebSocketRoute("/", endpoint, dependencies=[*dependencies, Depends(last)])
    connect(route, websocket_scope())
    assert len(trips) == 4


@pytest.mark.parametrize("backend", BACKENDS)
def test_contexts_are_apart(backend: str) -> None:
    variable = contextvars.ContextVar("variable", default="outside")

    def sets() -> str:
        variable.set("inside")
        return variable.get()

    def reads(before: Annotated[str, Depends(sets)]) -> list[str]:
        return [before, variable.get()]

    seen: list[str] = []

    async def endpoint(websocket: WebSocket, values: Annotated[list[str], Depends(reads)]) -> None:
        seen.extend([*values, variable.get()])

    connect(APIWebSocketRoute("/", endpoint), websocket_scope(), backend=backend)
    assert seen == ["inside", "outside", "outside"]


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_is_called_after_an_exception(backend: str) -> None:
    calls = []

    def fails() -> None:
        calls.append("fails")
        raise KeyError("boom")

    def behind() -> None:
        calls.append("behind")

    async def endpoint(websocket: WebSocket) -> None: ...

    route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(fails), Depends(behind)])
    with pytest.raises(KeyError, match="boom"):
        connect(route, websocket_scope(), backend=backend)
    assert calls == ["fails"]


def cancelled(calls: list[str], entered: threading.Event, leave: threading.Event) -> APIWebSocketRoute:
    def first() -> None:
        calls.append("first")
        entered.set()
        assert leave.wait(10)

    def second() -> None:
        calls.append("second")

    async def endpoint(websocket: WebSocket) -> None:
        calls.append("endpoint")

    return APIWebSocketRoute("/", endpoint, dependencies=[Depends(first), Depends(second)])


async def nothing(*message: Any) -> Any:
    return {"type": "websocket.connect"}


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_cancelled_scope_starts_no_further_call(backend: str) -> None:
    calls: list[str] = []
    entered, leave = threading.Event(), threading.Event()
    route = cancelled(calls, entered, leave)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            group.start_soon(route, {**websocket_scope(), "path_params": {}}, nothing, nothing)
            while not entered.is_set():
                await anyio.sleep(0.001)
            group.cancel_scope.cancel()
            leave.set()

    anyio.run(main, backend=backend)
    assert calls == ["first"]


def test_a_cancelled_task_starts_no_further_call() -> None:
    calls: list[str] = []
    entered, leave = threading.Event(), threading.Event()
    route = cancelled(calls, entered, leave)

    async def main() -> None:
        task = asyncio.ensure_future(route({**websocket_scope(), "path_params": {}}, nothing, nothing))
        while not entered.is_set():
            await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        leave.set()
        # Enough for a call that must not come; the event loop waits for the thread anyhow.
        time.sleep(0.05)

    asyncio.run(main())
    assert calls == ["first"]
