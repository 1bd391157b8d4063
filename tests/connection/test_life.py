"""The life of a connection: timeouts, deadlines, and clients that leave unheard, on asyncio and trio."""

import asyncio
import contextlib
import functools
import logging
import math
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import anyio
import anyio.to_thread
import pytest
from live import WAYS, Connection, Seen, clock, connected, on
from starlette.exceptions import HTTPException, WebSocketException
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastroute import APIWebSocketRoute, ConnectionEnded, ConnectionPolicy, Deadline, DeclarationError, Depends, Query
from fastroute.connection import interrupting, life, sweeper
from fastroute.connection.deadline import YEAR_10000
from fastroute.connection.policy import Terms

# They wait for timeouts.
pytestmark = pytest.mark.slow

LIFETIME = 60
LONGEST = 0.3  # instead of a second


@pytest.fixture(params=WAYS)
def run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Any]]:
    """Runs a test in an event loop."""
    monkeypatch.setattr(life, "_LONGEST_UNNOTICED", LONGEST)
    with on(request.param, period=0.05) as runs:
        yield runs


def sniffio() -> str:
    """The name of the event loop."""
    return "asyncio" if asyncio._get_running_loop() else "trio"


async def nothing(websocket: WebSocket) -> None:
    await websocket.accept()
    await anyio.sleep(math.inf)


async def outlived(websocket: WebSocket) -> None:
    await websocket.accept()
    clock.forward(LIFETIME)
    await anyio.sleep(math.inf)


async def forever(websocket: WebSocket) -> None:
    await anyio.sleep(math.inf)


# Timeouts


@pytest.mark.parametrize("extensions", [{"websocket.http.response": {}}, {}])
def test_accept_timeout(run: Any, extensions: Any) -> None:
    async def test() -> None:
        seen = Seen()
        route = seen.route(nothing, functools.partial(anyio.sleep, math.inf), accept_timeout=0.1)
        async with connected(route.app, extensions=extensions) as connection:
            pass
        assert connection.end == ((408 if extensions else 1008), "not accepted in time")
        seen.check(ConnectionEnded, 1008, "not accepted in time")
        [(code, reason, seconds)] = seen.ends
        assert (code, reason) == (408 if extensions else 403, "not accepted in time")
        assert 0.1 <= seconds < 2

    run(test)


@pytest.mark.parametrize("refuses", [True, False])
def test_accept_timeout_ends_with_the_answer(run: Any, refuses: bool) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await (websocket.close(4000) if refuses else websocket.accept())
        clock.forward(2 * LIFETIME)
        await anyio.sleep(0.3)  # the sweeper looks some times

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, accept_timeout=LIFETIME).app) as connection:
            pass
        assert connection.end == ((4000, "") if refuses else (1000, ""))
        assert seen.errors == [None]
        assert seen.ends[0][:2] == ((403, "") if refuses else (1000, ""))

    run(test)


def test_max_lifetime_cancels_what_waits_for_something_else(run: Any) -> None:
    sent_before_clean_up = []

    async def test() -> None:
        async def looks() -> AsyncIterator[None]:
            try:
                yield
            finally:
                sent_before_clean_up.extend(connection.types)

        seen = Seen()
        async with connected(seen.route(outlived, looks, max_lifetime=LIFETIME).app) as connection:
            pass
        assert sent_before_clean_up == ["accept", "close"]
        assert connection.end == (1001, "maximum lifetime reached")
        seen.check(ConnectionEnded, 1001, "maximum lifetime reached")
        assert [end[:2] for end in seen.ends] == [(1001, "maximum lifetime reached")]
        assert connection.error is None

    run(test)


def test_what_waits_for_the_client_is_told_and_goes_on(run: Any) -> None:
    after = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        with pytest.raises(ConnectionEnded) as raised:
            await websocket.receive_text()
        for _ in range(3):
            await anyio.sleep(0.1)
        for call in (websocket.receive, functools.partial(websocket.send_text, "too late"), websocket.close):
            with pytest.raises(ConnectionEnded):
                await call()
        after.append((raised.value.code, raised.value.reason))

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, idle_timeout=0.1).app) as connection:
            await connection.until(lambda: "close" in connection.types)
            assert not after, "the close frame goes out at once"
        assert after == [(1001, "idle timeout")]
        assert connection.types == ["accept", "close"]
        assert seen.errors == [None]
        assert seen.cleaned == ["second", "first"]
        assert seen.ends[0][:2] == (1001, "idle timeout")

    run(test)


def test_a_send_that_waits_is_told(run: Any) -> None:
    connections: list[Connection] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        connections[0].blocked = True
        clock.forward(LIFETIME)
        await websocket.send_text("the client does not read")

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            connections.append(connection)
            began = time.monotonic()
        assert connection.types == ["accept", "send", "close"]
        assert time.monotonic() - began < 3, "no send is waited for longer than a second"
        seen.check(ConnectionEnded, 1001, "maximum lifetime reached")

    run(test)


@pytest.mark.parametrize("accepts", [True, False])
def test_an_event_loop_that_was_blocked_loses_no_frame(run: Any, accepts: bool) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        if accepts:
            await websocket.accept()
        clock.forward(LIFETIME)
        await anyio.sleep(math.inf)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            connection.on_send = lambda: time.sleep(1.2)
        assert connection.end == ((1001 if accepts else 408), "maximum lifetime reached")
        seen.check(ConnectionEnded, 1001 if accepts else 1008, "maximum lifetime reached")

    run(test)


@pytest.mark.parametrize("reads", [True, False])
def test_a_client_that_is_heard_is_not_idle(run: Any, reads: bool) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        while reads:
            await websocket.receive_text()
        await anyio.sleep(math.inf)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, idle_timeout=LIFETIME).app) as connection:
            await connection.until(lambda: connection.types)
            for _ in range(4):
                connection.text("here")
                await connection.until(lambda: not connection.unread)
                clock.forward(0.6 * LIFETIME)
            await anyio.sleep(0.15)
            assert connection.types == ["accept"]
            clock.forward(LIFETIME)
        seen.check(ConnectionEnded, 1001, "idle timeout")

    run(test)


def test_an_echo_of_the_own_close_does_not_take_the_place_of_the_cause(run: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(websocket.receive_text)
            clock.forward(LIFETIME)
            await anyio.sleep(math.inf)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME, cancel_on_disconnect=True).app) as connection:
            pass
        assert connection.end == (1001, "maximum lifetime reached")
        [error] = seen.errors
        assert isinstance(error, BaseExceptionGroup)
        assert [type(each) for each in error.exceptions] == [ConnectionEnded]
        assert connection.error is None
        assert seen.ends[0][:2] == (1001, "maximum lifetime reached")

    run(test)


def test_a_sync_dependency_is_waited_for(run: Any) -> None:
    finished = threading.Event()

    def slow() -> None:
        clock.forward(LIFETIME)
        time.sleep(0.3)
        finished.set()

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(nothing, slow, accept_timeout=LIFETIME).app) as connection:
            pass
        assert finished.is_set()
        assert connection.end == (408, "not accepted in time")
        seen.check(ConnectionEnded, 1008, "not accepted in time")

    run(test)


def test_a_shield_of_the_endpoint_holds(run: Any) -> None:
    finished = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        with anyio.CancelScope(shield=True):
            clock.forward(LIFETIME)
            await anyio.sleep(0.5)
            await anyio.to_thread.run_sync(time.sleep, 0.1)
            finished.append(True)
        await anyio.sleep(math.inf)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app):
            pass
        assert finished == [True]
        seen.check(ConnectionEnded, 1001, "maximum lifetime reached")

    run(test)


def test_clean_ups_are_not_ended(run: Any) -> None:
    async def slow_to_leave() -> AsyncIterator[None]:
        async with anyio.create_task_group():
            yield
            clock.forward(LIFETIME)
            await anyio.sleep(0.5)

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, slow_to_leave, max_lifetime=LIFETIME).app) as connection:
            pass
        assert connection.end == (1000, "")
        assert seen.errors == [None]
        assert seen.cleaned == ["second", "first"]

    run(test)


def test_an_error_of_the_endpoint_on_its_end_is_the_endpoints(run: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        clock.forward(LIFETIME)
        try:
            await anyio.sleep(math.inf)
        finally:
            raise ValueError("wrong")

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            pass
        assert connection.types == ["accept", "close"]
        assert isinstance(connection.error, ValueError)
        assert isinstance(seen.errors[0], ValueError)
        assert seen.ends[0][:2] == (1001, "maximum lifetime reached")

    run(test)


@pytest.mark.parametrize("extensions", [{"websocket.http.response": {}}, {}])
def test_a_denial_that_does_not_come_to_its_end_is_no_answer(run: Any, extensions: Any) -> None:
    async def parts() -> AsyncIterator[bytes]:
        yield b"in "
        await anyio.sleep(math.inf)

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.send_denial_response(StreamingResponse(parts(), 418))

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, accept_timeout=0.1).app, extensions=extensions) as connection:
            pass
        if extensions:
            assert connection.end == (408, "not accepted in time")
            assert connection.types == ["http.response.start", "http.response.body"]
            assert seen.ends[0][:2] == (408, "not accepted in time")

    run(test)


def test_the_task_of_the_endpoint_is_ended_if_only_another_one_heard_of_the_end(run: Any) -> None:
    async def reads(websocket: WebSocket) -> None:
        with contextlib.suppress(WebSocketDisconnect):
            await websocket.receive_text()

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(reads, websocket)
            clock.forward(LIFETIME)
            await anyio.sleep(math.inf)

    async def detached(websocket: WebSocket) -> None:
        await websocket.accept()
        reader = asyncio.create_task(reads(websocket))
        clock.forward(LIFETIME)
        await anyio.sleep(math.inf)
        await reader

    async def test() -> None:
        for each in (endpoint, detached) if sniffio() == "asyncio" else (endpoint,):
            seen = Seen()
            async with connected(seen.route(each, max_lifetime=LIFETIME).app) as connection:
                pass
            assert connection.end == (1001, "maximum lifetime reached")
            seen.check(ConnectionEnded, 1001, "maximum lifetime reached")
            assert [end[:2] for end in seen.ends] == [(1001, "maximum lifetime reached")]
            assert connection.error is None

    run(test)


def test_who_heard_of_the_end_by_its_group_may_take_its_time(run: Any) -> None:
    after = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        with contextlib.suppress(ExceptionGroup):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(websocket.receive_text)
                clock.forward(LIFETIME)
                await anyio.sleep(math.inf)
        await anyio.sleep(2 * LONGEST)
        after.append(True)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            pass
        assert after == [True]
        assert connection.end == (1001, "maximum lifetime reached")
        assert seen.errors == [None]
        assert seen.cleaned == ["second", "first"]

    run(test)


Work = Callable[[], Awaitable[None]]


async def in_generator(work: Work) -> None:
    async def items() -> AsyncIterator[None]:
        await work()
        yield

    async for _ in items():
        pass


async def in_manager(work: Work) -> None:
    @contextlib.asynccontextmanager
    async def manager() -> AsyncIterator[None]:
        try:
            yield
        finally:
            await work()

    with contextlib.suppress(LookupError):
        async with manager():
            raise LookupError


async def in_object(work: Work) -> None:
    class Job:
        def __await__(self) -> Any:
            return work().__await__()

    await Job()


async def in_task(work: Work) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)


@pytest.mark.parametrize("where", [in_generator, in_manager, in_object])
def test_who_heard_of_the_end_in_an_awaitable_may_take_its_time(run: Any, where: Any) -> None:
    after = []

    async def endpoint(websocket: WebSocket) -> None:
        async def work() -> None:
            with contextlib.suppress(WebSocketDisconnect):
                await websocket.receive_text()
            await anyio.sleep(2 * LONGEST)
            after.append(True)

        await websocket.accept()
        clock.forward(LIFETIME)
        await where(work)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            pass
        assert after == [True]
        assert connection.end == (1001, "maximum lifetime reached")
        assert seen.errors == [None]

    run(test)


@pytest.mark.parametrize("where", [in_generator, in_object, in_task])
def test_a_close_that_the_client_does_not_take_is_ended_wherever_it_waits(run: Any, where: Any) -> None:
    connections: list[Connection] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        connections[0].blocked = True
        clock.forward(LIFETIME)
        await where(functools.partial(websocket.close, 4000))

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            connections.append(connection)
        assert connection.types == ["accept", "close"]
        assert connection.error is None
        assert len(seen.errors) == 1
        assert seen.cleaned == ["second", "first"]
        assert [end[:2] for end in seen.ends] == [(4000, "")]

    run(test)


@pytest.mark.parametrize("denies_it", [True, False])
@pytest.mark.parametrize("leaves", [True, False])
def test_a_close_that_the_client_does_not_take_is_ended(run: Any, denies_it: bool, leaves: bool) -> None:
    connections: list[Connection] = []

    async def endpoint(websocket: WebSocket) -> None:
        if denies_it:
            connections[0].blocked = True
            clock.forward(LIFETIME)
            await websocket.send_denial_response(PlainTextResponse("no", 418))
        await websocket.accept()
        connections[0].blocked = True
        clock.forward(LIFETIME)
        await websocket.close(4000)

    async def test() -> None:
        seen = Seen()
        ends: Any = {"cancel_on_disconnect": True} if leaves else {"max_lifetime": LIFETIME}
        began = time.monotonic()
        async with connected(seen.route(endpoint, **ends).app) as connection:
            connections.append(connection)
            if leaves:
                connection.leave(4002, "bye")
        assert time.monotonic() - began > LONGEST
        assert connection.types == (["http.response.start"] if denies_it else ["accept", "close"])
        assert connection.error is None
        assert isinstance(seen.errors[0], WebSocketDisconnect)
        assert seen.cleaned == ["second", "first"]
        assert seen.ends[0][:2] == ((418, "") if denies_it else (4000, ""))

    run(test)


@pytest.mark.parametrize("how", ["returns", "raises", "denied"])
@pytest.mark.parametrize("ends", [{"max_lifetime": 0.1}, {"idle_timeout": 0.1}, {}])
def test_an_end_that_the_client_does_not_take_is_given_up_when_it_is_time(run: Any, how: str, ends: Any) -> None:
    connections: list[Connection] = []

    async def endpoint(websocket: WebSocket) -> None:
        if how == "denied":
            connections[0].blocked = True
            raise HTTPException(401)
        await websocket.accept()
        connections[0].blocked = True
        if how == "raises":
            raise WebSocketException(4001)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, **ends).app) as connection:
            connections.append(connection)
            if not ends or (how == "denied" and "idle_timeout" in ends):
                await anyio.sleep(0.6)
                assert not connection.over.is_set(), "a slow client gets its frame"
                connection.blocked = False
        assert connection.types[1:] in ([], ["close"], ["http.response.body"])
        assert connection.error is None
        assert seen.cleaned == ["second", "first"]
        assert len(seen.ends) == 1

    run(test)


def test_an_endpoint_that_has_closed_may_take_its_time(run: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.close(4000)
        clock.forward(LIFETIME)
        await anyio.sleep(2 * LONGEST)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME, cancel_on_disconnect=True).app) as connection:
            pass
        assert connection.types == ["accept", "close"]
        assert seen.errors == [None]

    run(test)


@pytest.mark.parametrize("returns", [True, False])
def test_an_endpoint_that_swallows_its_cancellation_is_left_alone(run: Any, returns: bool) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        clock.forward(LIFETIME)
        try:
            await anyio.sleep(math.inf)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await anyio.sleep(0.3)
        if not returns:
            raise ValueError("wrong")

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            pass
        assert connection.end == (1001, "maximum lifetime reached")
        assert [type(error) for error in seen.errors] == [type(None) if returns else ValueError]
        assert seen.cleaned == ["second", "first"]
        assert [end[:2] for end in seen.ends] == [(1001, "maximum lifetime reached")]

    run(test)


def test_a_client_is_told_the_end_before_the_clean_ups_run(run: Any) -> None:
    """Also if the endpoint swallows its cancellation: nobody waits for a slow clean-up."""
    told: list[Any] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        clock.forward(LIFETIME)
        with contextlib.suppress(BaseException):
            await anyio.sleep(math.inf)

    async def test() -> None:
        connections: list[Connection] = []

        async def dependency() -> AsyncIterator[None]:
            yield
            told.append(connections[0].end)

        async with connected(Seen().route(endpoint, dependency, max_lifetime=LIFETIME).app) as connection:
            connections.append(connection)

    run(test)
    assert told == [(1001, "maximum lifetime reached")]


def test_infinity_is_no_timeout(run: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await anyio.sleep(0.5)

    async def test() -> None:
        seen = Seen()
        route = seen.route(endpoint, accept_timeout=math.inf, idle_timeout=math.inf, max_lifetime=math.inf)
        async with connected(route.app) as connection:
            pass
        assert connection.end == (1000, "")

    run(test)


def test_a_group_of_nothing_but_cancellations_is_one() -> None:
    async def test() -> None:
        cancelled = asyncio.CancelledError()
        inner = BaseExceptionGroup("inner", [cancelled])
        assert interrupting.is_cancellation(BaseExceptionGroup("all", [cancelled, inner]))
        assert not interrupting.is_cancellation(BaseExceptionGroup("not all", [inner, ValueError()]))

    asyncio.run(test())


def test_a_look_that_fails_is_logged_and_the_others_are_looked_at(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    class Broken:
        def look(self, now: float) -> None:
            raise ValueError("wrong")

    async def test() -> None:
        seen, broken = Seen(), Broken()
        lives = sweeper.current_sweeper().lives
        lives.add(broken)
        async with connected(seen.route(outlived, max_lifetime=LIFETIME).app):
            pass
        lives.remove(broken)
        seen.check(ConnectionEnded, 1001, "maximum lifetime reached")

    run(test)
    assert {record.getMessage() for record in caplog.records} == {"fastroute looks at a connection"}


def test_a_connection_after_a_pause_is_looked_at(run: Any) -> None:
    async def test() -> None:
        for _ in range(2):
            seen = Seen()
            async with connected(seen.route(outlived, max_lifetime=LIFETIME).app) as connection:
                pass
            seen.check(ConnectionEnded, 1001, "maximum lifetime reached")
            await connection.until(lambda: not sweeper.current_sweeper().runs)

    run(test)


# Deadlines


@pytest.mark.parametrize(
    "times",
    [
        [lambda deadline: deadline.after(30)],
        [lambda deadline: deadline.after(99), lambda deadline: deadline.after(30), lambda deadline: deadline.after(90)],
        [lambda deadline: deadline.at(time.time() + 30)],
        [lambda deadline: deadline.at(datetime.now(UTC) + timedelta(seconds=30))],
        [lambda deadline: deadline.after(math.inf), lambda deadline: deadline.at(int(time.time()) + 30)],
    ],
)
def test_a_dependency_ends_the_session(run: Any, times: list[Callable[[Deadline], None]]) -> None:
    def token(deadline: Deadline) -> None:
        for set_time in times:
            set_time(deadline)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(outlived, token).app) as connection:
            pass
        assert connection.end == (1008, "session expired")
        seen.check(ConnectionEnded, 1008, "session expired")

    run(test)


@pytest.mark.parametrize("extensions", [{"websocket.http.response": {}}, {}])
@pytest.mark.parametrize("waits", [True, False])
def test_a_session_that_expires_before_the_accept_is_denied(run: Any, extensions: Any, waits: bool) -> None:
    async def token(deadline: Deadline) -> None:
        deadline.at(time.time() - 60)
        if waits:
            await anyio.sleep(math.inf)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(nothing, token).app, extensions=extensions) as connection:
            pass
        assert connection.end == ((401 if extensions else 1008), "session expired")
        seen.check(ConnectionEnded, 1008, "session expired")
        assert seen.ends[0][:2] == (401 if extensions else 403, "session expired")

    run(test)


def test_a_time_that_is_over_ends_an_accepted_session(run: Any) -> None:
    async def endpoint(websocket: WebSocket, deadline: Deadline) -> None:
        await websocket.accept()
        await anyio.to_thread.run_sync(deadline.at, 0)
        deadline.after(60)  # the earliest counts
        await websocket.receive()

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, idle_timeout=60).app) as connection:
            pass
        assert connection.end == (1008, "session expired")
        seen.check(ConnectionEnded, 1008, "session expired")

    run(test)


def test_a_lifetime_may_be_shorter_than_the_accept(run: Any) -> None:
    async def test() -> None:
        seen = Seen()
        route = seen.route(forever, max_lifetime=0.1, accept_timeout=60)
        async with connected(route.app) as connection:
            pass
        assert connection.end == (408, "maximum lifetime reached")
        seen.check(ConnectionEnded, 1008, "maximum lifetime reached")

    run(test)


def test_a_deadline_needs_no_policy_and_is_there_for_everybody(run: Any) -> None:
    deadlines = []

    async def one(limit: Deadline, n: Annotated[int, Query()] = 0) -> None:
        deadlines.append(limit)

    async def endpoint(websocket: WebSocket, deadline: Deadline | None, _: Annotated[None, Depends(one)]) -> None:
        assert deadline is not None
        deadline.after(30)
        await outlived(websocket)

    async def test() -> None:
        async with connected(APIWebSocketRoute("/", endpoint).app) as connection:
            pass
        assert connection.end == (1008, "session expired")
        async with connected(APIWebSocketRoute("/", endpoint).app, "/?n=x") as connection:
            pass
        assert connection.end[0] == 1008
        assert [type(each) for each in deadlines] == [Deadline]

    run(test)


@pytest.mark.parametrize(
    ("use", "error", "text"),
    [
        (lambda deadline: deadline.at(datetime(2030, 1, 1)), ValueError, "no time zone"),
        (lambda deadline: deadline.at(math.nan), ValueError, "no such time"),
        (lambda deadline: deadline.after(math.nan), ValueError, "no such time"),
        (lambda deadline: deadline.at(time.time() * 1000), ValueError, "not milliseconds"),
        (lambda deadline: deadline.at(10**400), ValueError, "give seconds"),
        (lambda deadline: deadline.at(-(10**400)), ValueError, "give seconds"),
        (lambda deadline: deadline.after(10**400), ValueError, "give seconds"),
        (lambda deadline: deadline.at("2030"), TypeError, "a datetime or Unix seconds"),
        (lambda deadline: deadline.after(timedelta(seconds=1)), TypeError, "give seconds"),
        (lambda deadline: deadline.after(True), TypeError, "give seconds"),
        (lambda deadline: deadline.after(YEAR_10000 + 1), ValueError, "give seconds"),
        (lambda deadline: deadline.after(-YEAR_10000 - 1), ValueError, "give seconds"),
    ],
)
def test_a_time_that_is_none_is_an_error(use: Any, error: type[Exception], text: str) -> None:
    class Life:
        expires = math.inf

    with pytest.raises(error, match=text):
        use(Deadline(Life()))


@pytest.mark.parametrize("seconds", [YEAR_10000, -YEAR_10000, float(YEAR_10000), math.inf, -math.inf, -1])
def test_a_time_that_is_far_away_is_one(seconds: float) -> None:
    class Life:
        expires = math.inf

    Deadline(Life()).after(seconds)
    assert Life.expires == math.inf


def test_a_deadline_takes_no_marker() -> None:
    async def endpoint(websocket: WebSocket, deadline: Annotated[Deadline, Query()]) -> None: ...

    with pytest.raises(DeclarationError, match="Deadline is injected by type"):
        APIWebSocketRoute("/", endpoint)


# Clients that leave


async def leaves(connection: Connection, code: int = 4002, reason: str = "bye") -> float:
    """The seconds until the application is done with a client that leaves."""
    await connection.until(lambda: connection.types)
    await anyio.sleep(0.15)
    connection.leave(code, reason)
    began = time.monotonic()
    await connection.over.wait()
    return time.monotonic() - began


def test_an_endpoint_that_only_sends_is_ended(run: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.send_text("price")
            await anyio.sleep(0.05)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            assert await leaves(connection) < 1
        seen.check(WebSocketDisconnect, 4002, "bye")
        assert "close" not in connection.types
        assert seen.ends[0][:2] == (4002, "bye")
        assert connection.error is None

    run(test)


@pytest.mark.parametrize("items", [{}, {"code": None, "reason": None}, {"code": 0, "reason": ""}])
@pytest.mark.parametrize("receives", [False, True])
def test_a_client_may_leave_without_code_and_reason(run: Any, items: Any, receives: bool) -> None:
    heard: list[Any] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        if receives:
            heard.append(await websocket.receive())
        await anyio.sleep(0 if receives else math.inf)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            await connection.until(lambda: connection.types)
            connection.put({"type": "websocket.disconnect", **items})
        assert [told[:2] for told in seen.ends] == [(1005, "")]
        if receives:
            assert heard == [{"type": "websocket.disconnect", **items}]
        else:
            seen.check(WebSocketDisconnect, 1005, items.get("reason") or "")

    run(test)


def test_an_endpoint_that_waits_is_ended_also_before_the_accept(run: Any) -> None:
    async def test() -> None:
        for endpoint in (nothing, forever):
            seen = Seen()
            async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
                await anyio.sleep(0.15)
                connection.leave(1006, "")
                with anyio.fail_after(1):
                    await connection.over.wait()
            seen.check(WebSocketDisconnect, 1006, "")

    run(test)


def test_an_endpoint_that_accepts_late_is_ended(run: Any) -> None:
    async def test() -> None:
        seen = Seen()
        slow = functools.partial(anyio.sleep, 0.2)  # long enough to be read ahead of before the accept
        async with connected(seen.route(nothing, slow, cancel_on_disconnect=True).app) as connection:
            assert await leaves(connection) < 1
        seen.check(WebSocketDisconnect, 4002, "bye")

    run(test)


def test_without_the_policy_nobody_is_cancelled(run: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await anyio.sleep(0.5)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, idle_timeout=60, cancel_on_disconnect=False).app) as connection:
            assert await leaves(connection) > 0.2
        assert seen.errors == [None]

    run(test)


@pytest.mark.parametrize("pause", [0, 0.2])
def test_no_message_is_lost_or_out_of_order(run: Any, pause: float) -> None:
    received: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        for round_ in range(3):
            await anyio.sleep(pause)
            for _ in range(10):
                with anyio.move_on_after(0.01 * round_):  # a receive that is given up loses nothing
                    await anyio.sleep(0)
                    received.append(await websocket.receive_text())
        while len(received) < 60:
            received.append(await websocket.receive_text())

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            for number in range(60):
                connection.text(str(number))
                if number % 20 == 0:
                    await anyio.sleep(0.1)
        assert received == [str(number) for number in range(60)]

    run(test)


@pytest.mark.parametrize(("size", "most"), [(1, 16), (10_000, 7), (70_000, 1)])
@pytest.mark.parametrize("letter", ["x", "\u20ac"])
def test_reading_ahead_has_a_bound_and_says_so_once(
    run: Any, caplog: pytest.LogCaptureFixture, letter: str, size: int, most: int
) -> None:
    caplog.set_level(logging.INFO, "fastroute")
    looked_at: list[anyio.Event] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await looked_at[0].wait()
        for _ in range(40):
            await websocket.receive_text()
        await anyio.sleep(math.inf)

    async def test() -> None:
        looked_at.append(anyio.Event())
        seen = Seen()
        route = seen.route(endpoint, cancel_on_disconnect=True, idle_timeout=LIFETIME)
        async with connected(route.app, route=route) as connection:
            for _ in range(40):
                connection.text("x" * (size - len(letter.encode())) + letter if size > 3 else "x")
            await connection.until(lambda: len(connection.unread) == 40 - most)
            clock.forward(LIFETIME)  # nobody can say that a client is idle whose messages are not received
            await anyio.sleep(0.3)
            assert len(connection.unread) == 40 - most
            looked_at[0].set()
            await connection.until(lambda: not connection.unread)
            connection.leave(4001, "")
        seen.check(WebSocketDisconnect, 4001, "")

    run(test)
    said = [record.getMessage() for record in caplog.records if "wait for the endpoint" in record.getMessage()]
    assert len(said) == 1
    assert said[0].startswith(f"WebSocket /: {most} messages ({most * size} bytes) wait")


@pytest.mark.parametrize("breaks", [True, False])
def test_a_client_that_has_left_is_not_read_again(run: Any, breaks: bool) -> None:
    calls: list[str] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await anyio.sleep(0.6)

    async def test() -> None:
        seen = Seen()
        connection = Connection()

        async def receive() -> Any:
            calls.append("receive")
            if len(calls) == 1:
                return {"type": "websocket.connect"}
            if breaks:
                raise RuntimeError("nothing to receive")
            return {"type": "websocket.disconnect", "code": 1001}

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "path_params": {}}
        await seen.route(endpoint, idle_timeout=60).app(scope, receive, connection.send)
        assert calls == ["receive"] * 2
        assert seen.errors == [None]

    run(test)


def test_two_tasks_that_receive_lose_nothing_if_one_gives_up(run: Any) -> None:
    received: list[str] = []

    async def takes(websocket: WebSocket) -> None:
        received.append(await websocket.receive_text())

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await anyio.sleep(0.3)  # until it is read ahead of
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(takes, websocket)
            with anyio.move_on_after(0.05):
                await takes(websocket)
            connections[0].text("one")
        connections[0].text("two")
        await takes(websocket)

    connections: list[Connection] = []

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            connections.append(connection)
        assert received == ["one", "two"]
        assert connection.end == (1000, "")

    run(test)


@pytest.mark.parametrize("how", ["receive", "send", "close", "cancelled"])
def test_who_was_told_once_is_not_cancelled_again(run: Any, how: str) -> None:
    after = []
    connections: list[Connection] = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        if how == "receive":
            with pytest.raises(WebSocketDisconnect):
                await websocket.receive_text()
        elif how == "send":
            connections[0].lost = True
            with pytest.raises(WebSocketDisconnect):
                await websocket.send_text("x")
        elif how == "close":
            await websocket.close()
        else:
            try:
                await anyio.sleep(math.inf)
            except BaseException:
                with anyio.CancelScope(shield=True):
                    await anyio.sleep(0.3)
                after.append(how)
                raise
        await anyio.sleep(0.3)
        after.append(how)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            connections.append(connection)
            await connection.until(lambda: connection.lost if how == "send" else connection.types)
            connection.leave(4001, "")
        assert seen.cleaned == ["second", "first"]

    run(test)
    assert after == [how]


def test_a_receive_that_fails_fails_for_the_endpoint(run: Any) -> None:
    failed = []

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await anyio.sleep(0.2)
        try:
            await websocket.receive_text()
        except RuntimeError as error:
            failed.append(str(error))

    async def test() -> None:
        seen = Seen()
        connection = Connection()
        calls = []

        async def receive() -> Any:
            calls.append(1)
            if len(calls) > 1:
                raise RuntimeError("broken")
            return {"type": "websocket.connect"}

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "path_params": {}}
        await seen.route(endpoint, cancel_on_disconnect=True).app(scope, receive, connection.send)
        assert failed == ["broken"]

    run(test)


def test_a_connection_that_receives_costs_no_task() -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        while True:
            await websocket.receive_text()

    async def test() -> None:
        seen = Seen()
        before = len(asyncio.all_tasks())
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            await anyio.sleep(0.7)
            # The connection itself, and the one that looks at all connections.
            assert len(asyncio.all_tasks()) == before + 2
            connection.leave()
        await anyio.sleep(0.5)
        assert len(asyncio.all_tasks()) == before

    anyio.run(test)


# The server ends a connection itself


def test_a_task_that_the_server_cancels_stays_cancelled() -> None:
    async def test() -> None:
        seen = Seen()
        connection = Connection()
        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "path_params": {}}
        app = seen.route(nothing, max_lifetime=60, cancel_on_disconnect=True).app
        task = asyncio.ensure_future(app(scope, connection.receive, connection.send))
        await connection.until(lambda: connection.types)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(seen.errors[0], asyncio.CancelledError)
        assert seen.cleaned == ["second", "first"]
        assert [end[:2] for end in seen.ends] == [(1006, "")]

    anyio.run(test)


# The end


@contextmanager
def expected(kind: type[BaseException]) -> Iterator[None]:
    with pytest.raises(kind):
        yield


def raising(error: Exception, accepts: bool) -> Callable[[WebSocket], Awaitable[None]]:
    async def endpoint(websocket: WebSocket) -> None:
        if accepts:
            await websocket.accept()
        raise error

    return endpoint


async def denies(websocket: WebSocket) -> None:
    await websocket.send_denial_response(PlainTextResponse("no", 418))


async def closes(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close(999, "x" * 200)


async def closes_without_code(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send({"type": "websocket.close"})


async def returns(websocket: WebSocket) -> None:
    await websocket.accept()


@pytest.mark.parametrize(
    ("endpoint", "end"),
    [
        (raising(HTTPException(401, "secret"), False), (401, "")),
        (raising(HTTPException(401, "told"), True), (1008, "told")),
        (raising(WebSocketException(4001, "told"), False), (403, "told")),
        (raising(WebSocketException(4001, "told"), True), (4001, "told")),
        (raising(ValueError(), False), (500, "")),
        (raising(ValueError(), True), (1011, "Internal Server Error")),
        (denies, (418, "")),
        (closes, (1011, "x" * 123)),
        (closes_without_code, (1000, "")),
        (returns, (1000, "")),
    ],
)
def test_on_end_is_told_of_every_end_once(run: Any, endpoint: Any, end: tuple[int, str]) -> None:
    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint).app):
            pass
        assert [told[:2] for told in seen.ends] == [end]

    run(test)


def test_on_end_is_told_of_a_refused_origin(run: Any) -> None:
    async def test() -> None:
        seen = Seen()
        route = seen.route(returns, origins=["https://app.example.org"])
        async with connected(route.app, headers=[("Origin", "https://evil.example")]) as connection:
            pass
        assert connection.end == (403, "Origin not allowed")
        assert [told[:2] for told in seen.ends] == [(403, "Origin not allowed")]
        assert seen.errors == []

    run(test)


@pytest.mark.parametrize("known", [True, False])
def test_an_error_of_on_end_is_logged_and_changes_nothing(
    run: Any, known: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def on_end(*_: Any) -> None:
        raise ValueError("wrong")

    async def test() -> None:
        route = APIWebSocketRoute("/", returns, policy=ConnectionPolicy(on_end=on_end))
        async with connected(route.app, **({"route": route} if known else {})) as connection:
            pass
        assert connection.end == (1000, "")
        assert connection.error is None

    run(test)
    [record] = caplog.records
    assert record.getMessage() == f"WebSocket {'/' if known else '?'}: on_end raised"
    assert record.exc_info is not None


def test_an_on_end_that_returns_a_coroutine_is_logged(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    async def record() -> None: ...

    async def test() -> None:
        route = APIWebSocketRoute("/", returns, policy=ConnectionPolicy(on_end=lambda *_: record()))
        async with connected(route.app, route=route) as connection:
            pass
        assert (connection.end, connection.error) == ((1000, ""), None)

    run(test)
    assert [record.getMessage() for record in caplog.records] == [
        "WebSocket /: on_end returned a coroutine, which nobody awaits"
    ]


def test_an_end_by_this_side_is_logged(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fastroute")

    async def test() -> None:
        seen = Seen()
        route = seen.route(outlived, max_lifetime=LIFETIME)
        async with connected(route.app, route=route):
            pass

    run(test)
    assert [record.getMessage() for record in caplog.records] == [
        "WebSocket /: ended by this side: maximum lifetime reached"
    ]


def test_each_task_that_waits_for_the_client_is_told(run: Any) -> None:
    told: list[Any] = []

    async def listen(websocket: WebSocket) -> None:
        try:
            await websocket.receive()
        except ConnectionEnded as cause:
            told.append((cause.code, cause.reason))

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(listen, websocket)
            await anyio.sleep(0.01)
            clock.forward(LIFETIME)

    async def test() -> None:
        seen = Seen()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            pass
        assert told == [(1001, "maximum lifetime reached")] * 3
        assert connection.end == (1001, "maximum lifetime reached")

    run(test)


# Instants


def life_since(began: float, **terms: Any) -> life.Life:
    """A life that nothing runs in."""
    found: life.Life = object.__new__(life._TaskLife)
    found._terms, found._began, found.expires = Terms(**terms), began, math.inf
    return found


def test_a_limit_is_reached_at_its_instant() -> None:
    late = life_since(100, accept_timeout=5)
    assert late._due(104.9) is None
    assert late._due(105) == (1008, "not accepted in time", 408)
    late._accepted = True
    assert late._due(105) is None
    old = life_since(100, max_lifetime=5)
    assert old._due(104.9) is None
    assert old._due(105) == (1001, "maximum lifetime reached", 408)
    idle = life_since(100, idle_timeout=5)
    assert idle._due(1e9) is None
    idle._accepted, idle._last_heard = True, 102
    assert idle._due(106.9) is None
    assert idle._due(107) == (1001, "idle timeout", 408)
    idle.expires = 106
    assert idle._due(105.9) is None
    assert idle._due(106) == (1008, "session expired", 401)


def test_an_endpoint_may_leave_an_end_unnoticed_for_less_than_a_second(monkeypatch: pytest.MonkeyPatch) -> None:
    waiting = life_since(0)
    waiting._task, waiting.cause, interrupted = None, ConnectionEnded(1001), []
    monkeypatch.setattr(life, "waits_for", lambda task: "there")
    monkeypatch.setattr(life._TaskLife, "_interrupt_task", lambda self: interrupted.append(self))
    waiting._stuck = ("there", 10)
    waiting._interrupt_if_stuck(10.9)
    assert (waiting._stuck, interrupted) == (("there", 10), [])
    waiting._interrupt_if_stuck(11)
    assert (waiting._stuck, interrupted) == (None, [waiting])
    waiting._stuck = ("elsewhere", 10)
    waiting._interrupt_if_stuck(11)
    assert (waiting._stuck, interrupted) == (None, [waiting])


def test_a_close_waits_from_its_first_look_for_a_second() -> None:
    closing = life_since(0)
    closing._told = True
    assert not closing._close_waits(10)
    closing._says = True
    assert not closing._close_waits(20)
    assert not closing._close_waits(20.9)
    closing._says = False
    assert not closing._close_waits(20.95)
    closing._says = True
    assert not closing._close_waits(21)
    assert not closing._close_waits(21.9)
    assert closing._told
    assert closing._close_waits(22)
    assert not closing._told


def test_a_last_message_that_nobody_takes_is_given_up_at_the_fifth_look(monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[Any] = []
    monkeypatch.setattr(life._TaskLife, "_interrupt_calls", lambda self: ended.append(self.cause))
    for limit, looks in [(5.0, 5), (math.inf, 100)]:
        found = life_since(0, max_lifetime=limit)
        found.cause = found._drain = None
        for _ in range(looks - 1):
            found._look_at_last_send(10)
        assert (found.cause, ended) == (None, [])
        found._look_at_last_send(10)
        assert (found.cause is None) == (limit == math.inf)
        found._look_at_last_send(10)
        assert ended == [found.cause] * (limit < math.inf)
        ended.clear()
