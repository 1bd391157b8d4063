"""draining: an application ends its connections before its own lifespan ends."""

import functools
import logging
import math
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import anyio
import pytest
from fastapi import FastAPI
from live import Connection, connected
from starlette.applications import Starlette
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, ConnectionEnded, ConnectionPolicy, Depends, Router, draining
from fastroute.connection import life, sweeper
from fastroute.connection.draining import Drain, drain_of, drains

# They wait for timeouts.
pytestmark = pytest.mark.slow


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[..., Any]:
    return functools.partial(anyio.run, backend=request.param)


@asynccontextmanager
async def started(app: Any) -> AsyncIterator[dict[str, Any]]:
    """The application between its start and its end."""
    state: dict[str, Any] = {}
    stop = anyio.Event()
    up = anyio.Event()
    done = anyio.Event()
    messages = iter(["lifespan.startup", "lifespan.shutdown"])

    async def receive() -> Any:
        message = next(messages)
        if message == "lifespan.shutdown":
            await stop.wait()
        return {"type": message}

    async def send(message: Any) -> None:
        assert message["type"].endswith(".complete"), message
        (done if up.is_set() else up).set()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(app, {"type": "lifespan", "state": state}, receive, send)
        await up.wait()
        yield state
        stop.set()
        with anyio.fail_after(5):
            await done.wait()


class Clients(list[Connection]):
    """Connections of clients that stay until the application ends them."""

    async def stay(self, app: Any) -> None:
        async with connected(app) as connection:
            self.append(connection)

    async def accepted(self, count: int) -> None:
        await until(lambda: len(self) == count and all(each.sent for each in self))

    @property
    def ends(self) -> list[tuple[int, str]]:
        return [each.end for each in self]


async def until(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(5):
        while not condition():
            await anyio.sleep(0.005)


class Events(list[str]):
    """What happened, in order."""

    entered = 0

    async def dependency(self) -> AsyncIterator[None]:
        self.entered += 1
        try:
            yield
        except BaseException as error:
            self.append(f"{type(error).__name__} {getattr(error, 'code', '')}".strip())
            raise
        finally:
            await anyio.sleep(0.2)
            self.append("clean-up")

    @asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[dict[str, Any]]:
        yield {"pool": "open"}
        self.append("pool closed")


async def push(websocket: WebSocket) -> None:
    await websocket.accept()
    await anyio.sleep(math.inf)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


async def slow(websocket: WebSocket) -> None:
    await anyio.sleep(math.inf)


def application(events: Events, endpoint: Any, **items: Any) -> Starlette:
    route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(events.dependency)], **items)
    return Starlette(routes=[route], lifespan=draining(events.lifespan))


@pytest.mark.parametrize("endpoint", [push, echo])
@pytest.mark.parametrize("policy", [None, ConnectionPolicy(idle_timeout=60)])
def test_open_connections_end_before_the_lifespan(run: Any, endpoint: Any, policy: Any) -> None:
    async def test() -> None:
        events = Events()
        app, clients = application(events, endpoint, policy=policy), Clients()
        async with anyio.create_task_group() as tasks, started(app) as state:
            assert state == {"pool": "open"}
            for _ in range(3):
                tasks.start_soon(clients.stay, app)
            await clients.accepted(3)
        assert clients.ends == [(1012, "service restart")] * 3
        assert not any(connection.error for connection in clients)
        assert sorted(events[:3]) == ["ConnectionEnded 1012"] * 3
        assert events[3:] == ["clean-up"] * 3 + ["pool closed"]

    run(test)


def test_a_handshake_that_waits_is_denied(run: Any) -> None:
    async def test() -> None:
        events = Events()
        app, clients = application(events, slow), Clients()
        async with anyio.create_task_group() as tasks, started(app):
            tasks.start_soon(clients.stay, app)
            await until(lambda: events.entered == 1)
        assert clients.ends == [(503, "service restart")]
        assert events == ["ConnectionEnded 1008", "clean-up", "pool closed"]

    run(test)


def test_a_handshake_during_the_drain_is_denied_before_any_dependency(run: Any) -> None:
    async def test() -> None:
        events = Events()
        app, clients = application(events, push), Clients()

        async def late() -> None:
            await until(lambda: bool(events))
            await clients.stay(app)
            events.append("late")

        async with anyio.create_task_group() as tasks, started(app):
            tasks.start_soon(clients.stay, app)
            tasks.start_soon(late)
            await clients.accepted(1)
        assert clients.ends == [(1012, "service restart"), (503, "service restart")]
        assert events == ["ConnectionEnded 1012", "late", "clean-up", "pool closed"]

    run(test)


@pytest.mark.parametrize("policy", [None, ConnectionPolicy(idle_timeout=60)])
def test_a_close_that_the_client_does_not_take_is_ended(
    run: Any, policy: ConnectionPolicy | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "PERIOD", 0.05)
    monkeypatch.setattr(life, "_LONGEST_UNNOTICED", 0.1)
    clients = Clients()

    async def closing(websocket: WebSocket) -> None:
        await websocket.accept()
        clients[0].blocked = True
        await websocket.close(4000)

    async def test() -> None:
        events = Events()
        app = application(events, closing, policy=policy)
        async with anyio.create_task_group() as tasks, started(app):
            tasks.start_soon(clients.stay, app)
            await until(lambda: bool(clients) and len(clients[0].sent) == 2)
        assert clients.ends == [(4000, "")]
        assert clients[0].error is None
        assert events == ["ConnectionEnded 1012", "clean-up", "pool closed"]

    run(test)
    clients.clear()


class Open:
    """A connection that is open until the test removes it."""

    def shut_down(self) -> None: ...


def test_who_comes_while_the_last_one_leaves_is_waited_for(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def test() -> None:
        drain, first, late = Drain(None), Open(), Open()
        drain.add(first, {})
        over = anyio.Event()

        async def drained() -> None:
            await drain.run(5)
            over.set()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(drained)
            while not drain.ends:
                await anyio.sleep(0)
            drain.remove(first)
            drain.add(late, {})
            await anyio.sleep(0.05)
            assert not over.is_set()
            drain.remove(late)

    run(test)
    assert not caplog.records


def test_what_does_not_end_is_abandoned_with_a_warning(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def stubborn(websocket: WebSocket) -> None:
        await websocket.accept()
        with anyio.CancelScope(shield=True):
            await anyio.sleep(2)

    async def test() -> None:
        app, clients = Starlette(routes=[APIWebSocketRoute("/", stubborn)], lifespan=draining(timeout=0.1)), Clients()
        async with anyio.create_task_group() as tasks:
            async with started(app):
                tasks.start_soon(clients.stay, app)
                await clients.accepted(1)
                began = time.monotonic()
            assert time.monotonic() - began < 1

    run(test)
    messages = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert messages == ["1 connections did not end within 0.1 seconds, and are abandoned; routes: /"]


def test_what_swallows_its_cancellation_is_abandoned_and_ends_once(run: Any) -> None:
    events = Events()

    async def stubborn(websocket: WebSocket) -> None:
        await websocket.accept()
        try:
            await anyio.sleep(math.inf)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(1)

    async def test() -> None:
        route = APIWebSocketRoute("/", stubborn, dependencies=[Depends(events.dependency)])
        app, clients = Starlette(routes=[route], lifespan=draining(events.lifespan, timeout=0.1)), Clients()
        async with anyio.create_task_group() as tasks, started(app):
            tasks.start_soon(clients.stay, app)
            await clients.accepted(1)
        assert clients.ends == [(1012, "service restart")]
        assert clients[0].error is None
        assert events == ["pool closed", "clean-up"]

    run(test)


@pytest.mark.parametrize("nested", [True, False])
def test_each_application_drains_its_own_connections(run: Any, nested: bool) -> None:
    """Two servers in one event loop; and a lifespan that drains twice."""

    async def test() -> None:
        events = [Events(), Events()]
        apps = [application(each, push) for each in events]
        if nested:
            for app, each in zip(apps, events, strict=True):
                app.router.lifespan_context = draining(draining(each.lifespan))

        clients = Clients()
        async with anyio.create_task_group() as tasks, started(apps[1]):
            async with started(apps[0]):
                for app in apps:
                    tasks.start_soon(clients.stay, app)
                await clients.accepted(2)
            assert events == [["ConnectionEnded 1012", "clean-up", "pool closed"], []]
        assert events[1] == ["ConnectionEnded 1012", "clean-up", "pool closed"]
        assert clients.ends == [(1012, "service restart")] * 2
        assert drains == []

    run(test)


def test_nothing_is_known_of_connections_without_it(run: Any) -> None:
    async def test() -> None:
        assert drains == []
        route = APIWebSocketRoute("/", echo)
        app = Starlette(routes=[route])
        for lifespan in (None, draining()):
            if lifespan is not None:
                app = Starlette(routes=[route], lifespan=lifespan)
            async with started(app):
                assert len(drains) == (lifespan is not None)
                async with connected(app) as connection:
                    connection.text("hello")
                    await connection.until(lambda: len(connection.types) == 2)
                    connection.leave()
            assert drains == []
        assert (route._application is None, route._drained_application is None) == (False, False)

    run(test)


def test_in_an_application_of_fastapi(run: Any) -> None:
    async def test() -> None:
        events = Events()
        app = FastAPI(lifespan=draining(events.lifespan))
        app.router.routes.append(APIWebSocketRoute("/", push, dependencies=[Depends(events.dependency)]))
        clients = Clients()
        async with anyio.create_task_group() as tasks, started(app) as state:
            assert state == {"pool": "open"}
            tasks.start_soon(clients.stay, app)
            await clients.accepted(1)
        assert clients.ends == [(1012, "service restart")]
        assert events == ["ConnectionEnded 1012", "clean-up", "pool closed"]

    run(test)


def test_in_a_router_and_without_connections(run: Any) -> None:
    async def test() -> None:
        began = time.monotonic()
        events = Events()
        router = Router(lifespan=draining(events.lifespan))
        async with started(router) as state:
            assert state == {"pool": "open"}
        assert events == ["pool closed"]
        assert time.monotonic() - began < 1

    run(test)


def test_overrides_are_drained_too(run: Any) -> None:
    async def original() -> None: ...

    async def test() -> None:
        events = Events()

        class Provider:
            dependency_overrides = {original: events.dependency}  # noqa: RUF012

        route = APIWebSocketRoute("/", push, None, [Depends(original)], Provider())
        app = Starlette(routes=[route], lifespan=draining(events.lifespan))
        clients = Clients()
        async with anyio.create_task_group() as tasks, started(app):
            tasks.start_soon(clients.stay, app)
            await clients.accepted(1)
        assert events == ["ConnectionEnded 1012", "clean-up", "pool closed"]

    run(test)


def test_a_drain_takes_ten_seconds_unless_it_is_told(run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []

    async def note(self: Drain, timeout: float) -> None:
        waited.append(timeout)

    async def test() -> None:
        for lifespan in (draining(), draining(timeout=3)):
            async with lifespan(Starlette()):
                pass

    monkeypatch.setattr(Drain, "run", note)
    run(test)
    assert waited == [10, 3]


def test_an_application_without_a_drain_has_that_of_the_innermost_one() -> None:
    drains = [Drain("outer"), Drain("middle"), Drain("inner"), Drain("middle")]
    assert [drain_of(drains, {"app": app}) for app in ("outer", "middle", "inner")] == [drains[0], drains[3], drains[2]]
    assert drain_of(drains, {"app": "mounted"}) is drain_of(drains, {}) is drains[3]
    assert drain_of(drains[:1], {}) is drains[0]


def test_the_error_of_a_drain_is_public() -> None:
    assert ConnectionEnded(1012, "service restart").code == 1012


@pytest.mark.parametrize(
    ("arguments", "error", "text"),
    [
        ({"timeout": 0}, ValueError, "timeout=0 must be above 0"),
        ({"timeout": -1}, ValueError, "above 0"),
        ({"timeout": math.nan}, ValueError, "above 0"),
        ({"timeout": None}, TypeError, "is no number of seconds"),
        ({"timeout": "10"}, TypeError, "is no number of seconds"),
        ({"lifespan": 7}, TypeError, "async context manager"),
    ],
)
def test_what_means_nothing_is_an_error(arguments: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        draining(**arguments)


async def bare(app: Any) -> AsyncIterator[None]:
    yield


def synchronous(app: Any) -> Iterator[None]:
    yield


async def coroutine(app: Any) -> None: ...


DECORATE = "decorate it with @contextlib.asynccontextmanager"


@pytest.mark.parametrize(
    ("lifespan", "text"),
    [
        (7, "draining(7): give a function that makes an async context manager"),
        (bare, f"draining(bare): {DECORATE}"),
        (synchronous, f"draining(synchronous): {DECORATE}"),
        (contextmanager(synchronous), f"draining(synchronous): {DECORATE}"),
        (coroutine, f"draining(coroutine): let it yield, and {DECORATE}"),
    ],
)
def test_what_is_no_async_context_manager_is_an_error(lifespan: Any, text: str) -> None:
    with pytest.raises(TypeError) as raised:
        draining(lifespan)
    assert str(raised.value) == text
