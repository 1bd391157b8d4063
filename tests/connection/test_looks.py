"""The looks of the sweeper at a connection, one at a time: nothing here waits for a clock, and no look is early."""

import asyncio
import contextlib
import logging
import math
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import anyio
import anyio.to_thread
import pytest
from live import WAYS, Connection, Seen, clock, connected, on
from starlette.applications import Starlette
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastroute import APIWebSocketRoute, ConnectionEnded, ConnectionPolicy, Deadline, Depends, draining
from fastroute.connection import life, sweeper
from fastroute.connection.interrupting import sees_shields, spawn
from fastroute.connection.sweeper import current_sweeper

LIFETIME = 60
END = (1001, "maximum lifetime reached")


@pytest.fixture(params=WAYS)
def run(request: pytest.FixtureRequest) -> Iterator[Callable[..., Any]]:
    """Runs a test in an event loop whose sweeper never looks."""
    with on(request.param, period=math.inf) as runs:
        yield runs


async def settled() -> None:
    """Let every task go on until it waits. anyio's `wait_all_tasks_blocked` takes a tenth of a second for it."""
    for _ in range(50):
        await anyio.lowlevel.checkpoint()


async def look(times: int = 1) -> None:
    """Look at all connections as the sweeper does, whenever each of them waits for something."""
    await settled()
    for _ in range(times):
        for each in tuple(current_sweeper().lives):
            each.look(clock())
        await settled()


class Calm(Seen):
    """Without threads, as nobody can tell when they are done."""

    async def second(self) -> AsyncIterator[None]:
        try:
            yield
        finally:
            self.cleaned.append("second")


class Gate:
    """Where an endpoint waits until the test lets it go on; made in the event loop."""

    def __init__(self) -> None:
        self.open = anyio.Event()
        self.passed = False

    async def wait(self) -> None:
        await self.open.wait()
        self.passed = True

    async def let_go(self) -> None:
        self.open.set()
        await settled()


# Who is interrupted


def test_calls_that_are_over_are_not_what_an_endpoint_waits_for(run: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await websocket.receive_text()
        await websocket.send_text("to you")
        with anyio.CancelScope() as scope:
            scope.cancel()
            await websocket.receive_text()
        await anyio.sleep_forever()

    async def test() -> None:
        seen = Calm()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            connection.text("to me")
            await settled()
            clock.forward(LIFETIME)
            await look()
            assert connection.types == ["accept", "send", "close"], "by the first look, and not a second later"
        seen.check(ConnectionEnded, *END)

    run(test)


def test_who_was_behind_a_shield_is_interrupted_once(run: Any) -> None:
    async def test() -> None:
        shielded, last = Gate(), Gate()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            with anyio.move_on_after(5, shield=True):
                await shielded.wait()
            with pytest.raises(ConnectionEnded):
                await websocket.receive_text()
            await last.wait()

        seen = Calm()
        route = seen.route(endpoint, max_lifetime=LIFETIME)
        async with connected(route.app) as connection:
            await settled()
            clock.forward(LIFETIME)
            await look(3)
            assert connection.types == ["accept"]
            await shielded.let_go()
            await look(3)
            assert connection.types == ["accept", "close"]
            await last.let_go()
        assert last.passed == (seen.errors == [None])

    run(test)


def test_the_first_cause_stays_the_cause(run: Any) -> None:
    """Whatever happens while the endpoint is behind a shield: its client leaves, or the application shuts down."""

    async def test(leaves: bool, drained: bool) -> None:
        shielded = Gate()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            with anyio.move_on_after(5, shield=True):
                await shielded.wait()
            await anyio.sleep_forever()

        seen = Calm()
        route = seen.route(endpoint, max_lifetime=LIFETIME, cancel_on_disconnect=True)
        async with connected(route.app) as connection:
            await look(2)  # from now on it is read ahead
            clock.forward(LIFETIME)
            await look()
            [found] = current_sweeper().lives
            assert isinstance(found, life.Life)
            if drained:
                found.shut_down()
            if leaves:
                connection.leave(4001, "bye")
            await look(2)
            await shielded.let_go()
            await look()
        assert connection.types == (["accept"] if leaves else ["accept", "close"])
        assert [end[:2] for end in seen.ends] == [(4001, "bye") if leaves else END]
        seen.check(ConnectionEnded, *END)

    for leaves, drained in ((True, False), (False, True), (True, True)):
        run(test, leaves, drained)


@pytest.mark.parametrize("raises", [True, False])
@pytest.mark.parametrize("how", ["leaves", "outlived", "drained"])
def test_no_clean_up_is_interrupted(run: Any, raises: bool, how: str) -> None:
    async def test() -> None:
        working, cleaning = Gate(), Gate()

        async def dependency() -> AsyncIterator[None]:
            try:
                yield
            finally:
                await cleaning.wait()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await working.wait()
            if raises:
                raise ZeroDivisionError

        seen = Calm()
        route = seen.route(endpoint, dependency, max_lifetime=LIFETIME, cancel_on_disconnect=True)
        async with connected(route.app) as connection:
            await look(2)  # from now on it is read ahead
            await working.let_go()
            [found] = current_sweeper().lives
            assert isinstance(found, life.Life)
            if how == "leaves":
                connection.leave(4001, "bye")
            elif how == "outlived":
                clock.forward(LIFETIME)
            else:
                found.shut_down()
            await look(10)
            assert not seen.errors
            await cleaning.let_go()
        assert cleaning.passed
        assert [type(error) for error in seen.errors] == [ZeroDivisionError if raises else type(None)]
        assert [end[:2] for end in seen.ends] == [
            (4001, "bye") if how == "leaves" else (1011, "Internal Server Error") if raises else (1000, "")
        ]

    run(test)


def test_a_clean_up_that_has_closed_may_wait_for_the_client(run: Any) -> None:
    heard: list[str] = []

    async def dependency(websocket: WebSocket) -> AsyncIterator[None]:
        yield
        await websocket.close(4000)
        heard.append((await websocket.receive())["type"])

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()

    async def test() -> None:
        seen = Calm()
        route = seen.route(endpoint, dependency, max_lifetime=LIFETIME)
        async with connected(route.app, echo=False) as connection:
            await settled()
            clock.forward(LIFETIME)
            await look(10)
            connection.leave(4000)
        assert heard == ["websocket.disconnect"]
        assert seen.errors == [None]

    run(test)


def test_a_clean_up_whose_close_nobody_takes_is_told_why(run: Any) -> None:
    told: list[Any] = []
    connections: list[Connection] = []

    async def dependency(websocket: WebSocket) -> AsyncIterator[None]:
        yield
        connections[0].blocked = True
        with pytest.raises(ConnectionEnded) as raised:
            await websocket.close(4000)
        told.append((raised.value.code, raised.value.reason))

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()

    async def test() -> None:
        seen = Calm()
        async with connected(seen.route(endpoint, dependency, max_lifetime=LIFETIME).app) as connection:
            connections.append(connection)
            for _ in range(20):  # until the close waits
                await anyio.lowlevel.checkpoint()
            assert connection.blocked
            clock.forward(LIFETIME)
            await look(4)
            assert not told
            await look()
            assert told == [(1001, "the client takes nothing")]
        assert seen.errors == [None]
        assert seen.ends[0][:2] == (4000, "")

    run(test)
    connections.clear()


def test_a_close_frame_of_this_side_is_given_up_at_the_fifth_look(run: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await anyio.sleep_forever()

    async def test() -> None:
        seen = Calm()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            await settled()
            connection.blocked = True
            clock.forward(LIFETIME)
            await look()
            assert connection.types == ["accept", "close"]
            await look(4)
            assert not seen.errors
            await look()
            assert seen.errors
        seen.check(ConnectionEnded, *END)

    run(test)


async def hears(websocket: WebSocket) -> None:
    await websocket.receive()


async def closes(websocket: WebSocket) -> None:
    await websocket.close(4000)


async def fails_to_send(websocket: WebSocket) -> None:
    with contextlib.suppress(WebSocketDisconnect):
        await anyio.sleep(0)
        await websocket.send_text("to you")


@pytest.mark.parametrize("told", [hears, closes, fails_to_send])
@pytest.mark.parametrize("how", ["leaves", "outlived", "drained"])
def test_an_endpoint_of_which_another_task_was_told_is_ended_a_second_later(run: Any, told: Any, how: str) -> None:
    async def test() -> None:
        connections: list[Connection] = []

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            connections[0].lost = told is fails_to_send
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(told, websocket)
                await anyio.sleep_forever()

        seen = Calm()
        route = seen.route(endpoint, max_lifetime=LIFETIME, cancel_on_disconnect=how == "leaves")
        async with connected(route.app, echo=False) as connection:
            connections.append(connection)
            await settled()
            connection.leave(4001, "bye")
            await look(2)
            [found] = current_sweeper().lives
            assert isinstance(found, life.Life)
            if how == "outlived":
                clock.forward(LIFETIME - 1)
            elif how == "drained":
                found._is_drained = lambda: True  # type: ignore[method-assign]
            await look(3)
            assert not seen.errors
            clock.forward(1)
            await look(3)
        if how == "leaves":
            seen.check(WebSocketDisconnect, 4001, "bye")
        elif how == "outlived":
            seen.check(ConnectionEnded, *END)
        else:
            seen.check(ConnectionEnded, 1012, "service restart")

    run(test)


class Own:
    """An awaitable of somebody's own, which holds on to the coroutine that awaits it."""

    def __init__(self, outer: Any) -> None:
        self.outer = outer
        self._inside = anyio.sleep_forever().__await__()

    def __await__(self) -> Any:
        return self

    __iter__ = __await__

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        return self._inside.send(value)

    def throw(self, *error: Any) -> Any:
        return self._inside.throw(*error)


def test_an_awaitable_that_holds_on_to_the_endpoint_does_not_keep_the_sweeper(run: Any) -> None:
    async def test() -> None:
        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(hears, websocket)
                [found] = current_sweeper().lives
                assert isinstance(found, life.Life)
                task = found._task
                await Own(task.get_coro() if isinstance(task, asyncio.Task) else task.coro)

        seen = Calm()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            connection.leave(4001, "bye")
            await look(2)
            clock.forward(1)
            await look()
        seen.check(WebSocketDisconnect, 4001, "bye")

    run(test)


@pytest.mark.parametrize("told", [hears, closes])
def test_an_endpoint_that_noticed_what_another_task_was_told_is_left_alone(run: Any, told: Any) -> None:
    async def test() -> None:
        last, noticed = Gate(), anyio.Event()

        async def tell(websocket: WebSocket) -> None:
            await told(websocket)
            noticed.set()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(tell, websocket)
                await noticed.wait()
            await last.wait()

        seen = Calm()
        route = seen.route(endpoint, max_lifetime=LIFETIME, cancel_on_disconnect=True)
        async with connected(route.app, echo=False) as connection:
            connection.leave(4001, "bye")
            await look(2)
            clock.forward(LIFETIME)
            await look(3)
            await last.let_go()
        assert last.passed
        assert seen.errors == [None]

    run(test)


def test_an_endpoint_that_was_told_is_left_alone_if_another_task_is_told_too(run: Any) -> None:
    async def test() -> None:
        last, again = Gate(), Gate()

        async def tell(websocket: WebSocket) -> None:
            await again.wait()
            await websocket._receive()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(tell, websocket)
                with pytest.raises(WebSocketDisconnect):
                    await websocket.receive_text()
                await last.wait()

        seen = Calm()
        route = seen.route(endpoint, max_lifetime=LIFETIME, cancel_on_disconnect=True)
        async with connected(route.app, echo=False) as connection:
            connection.leave(4001, "bye")
            connection.leave(4001, "bye")
            await look(2)
            await again.let_go()
            clock.forward(LIFETIME)
            await look(3)
            await last.let_go()
        assert last.passed
        assert seen.errors == [None]

    run(test)


def test_an_accept_that_cannot_be_leaves_a_handshake(run: Any) -> None:
    async def test(goes_on: Callable[[WebSocket], Any], *ends: Any) -> None:
        async def endpoint(websocket: WebSocket) -> None:
            with pytest.raises(RuntimeError, match="offered"):
                await websocket.accept(subprotocol="chat")
            await goes_on(websocket)

        seen = Calm()
        route = seen.route(endpoint, accept_timeout=LIFETIME)
        async with connected(route.app, extensions={"websocket.http.response": {}}):
            await settled()
            clock.forward(LIFETIME)
            await look()
        assert [end[:2] for end in seen.ends] == list(ends)

    async def raises(websocket: WebSocket) -> None:
        raise ZeroDivisionError

    async def waits(websocket: WebSocket) -> None:
        await anyio.sleep_forever()

    async def refuses(websocket: WebSocket) -> None:
        await websocket._send({"type": "websocket.close", "code": 4000})

    run(test, raises, (500, ""))
    run(test, refuses, (403, ""))
    run(test, waits, (408, "not accepted in time"))


def test_an_error_beside_a_cancellation_comes_out_alone(run: Any) -> None:
    async def fails() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            raise ZeroDivisionError

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(fails)
            await anyio.sleep_forever()

    async def test() -> None:
        seen = Calm()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            await settled()
            clock.forward(LIFETIME)
            await look()
        assert isinstance(connection.error, ExceptionGroup)
        assert [type(error) for error in connection.error.exceptions] == [ZeroDivisionError]
        assert connection.end == END

    run(test)


def test_a_call_that_fails_when_it_is_interrupted_fails_with_its_own_error(run: Any) -> None:
    async def test() -> None:
        seen, connection = Calm(), Connection()

        async def receive() -> Any:
            try:
                return await connection.receive()
            except BaseException:
                raise LookupError from None

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            with pytest.raises(LookupError):
                await websocket.receive()
            await anyio.sleep(0)

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "path_params": {}}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(seen.route(endpoint, max_lifetime=LIFETIME).app, scope, receive, connection.send)
            await settled()
            clock.forward(LIFETIME)
            await look()
        assert seen.errors == [None]
        assert connection.end == END

    run(test)


@pytest.mark.parametrize("how", ["closes", "is left"])
def test_who_knows_of_the_end_is_left_alone(run: Any, how: str) -> None:
    """Neither a limit, nor a drain, nor the client that leaves ends it, and nobody reads for it."""

    async def test() -> None:
        quiet, last = Gate(), Gate()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await quiet.wait()
            if how == "closes":
                await websocket.close(4000)
                with anyio.CancelScope() as scope:
                    scope.cancel()
                    await websocket.receive()
            else:
                await websocket.receive()
            await last.wait()

        seen = Calm()
        route = seen.route(endpoint, max_lifetime=LIFETIME, cancel_on_disconnect=True)
        async with connected(route.app) as connection:
            await quiet.let_go()
            if how == "is left":
                connection.leave(4000)
            await settled()
            connection.text("late")
            unread = len(connection.unread)
            clock.forward(LIFETIME)
            await look(3)
            [found] = current_sweeper().lives
            assert isinstance(found, life.Life)
            found.shut_down()
            await look(3)
            assert len(connection.unread) == unread
            await last.let_go()
        assert last.passed
        assert seen.errors == [None]
        assert connection.types == (["accept", "close"] if how == "closes" else ["accept"])
        assert seen.ends[0][:2] == (4000, "")

    run(test)


def test_who_closes_while_it_is_read_ahead_is_left_alone(run: Any) -> None:
    async def test() -> None:
        quiet, last = Gate(), Gate()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await quiet.wait()
            await websocket.close(4000)
            await last.wait()

        seen = Calm()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            await look(2)
            await quiet.let_go()
            assert not connection.unread, "the client's answer is read"
            await look(3)
            await last.let_go()
        assert last.passed
        assert seen.errors == [None]
        assert seen.ends[0][:2] == (4000, "")

    run(test)


@pytest.mark.parametrize("how", ["closes", "accepts"])
def test_nobody_is_late_before_the_first_look(run: Any, how: str) -> None:
    async def endpoint(websocket: WebSocket, deadline: Deadline) -> None:
        if how == "closes":
            deadline.after(30)
            await websocket.accept()
        clock.forward(LIFETIME)
        if how == "accepts":
            await websocket.accept()
        await websocket.close(4000)

    async def test() -> None:
        seen = Calm()
        async with connected(seen.route(endpoint, accept_timeout=30).app) as connection:
            pass
        assert connection.end == (4000, "")
        assert seen.errors == [None]

    run(test)


def test_a_deadline_that_is_over_at_the_accept_refuses_it_at_once(run: Any) -> None:
    told: list[Any] = []

    async def endpoint(websocket: WebSocket, deadline: Deadline) -> None:
        deadline.after(-1)
        with pytest.raises(ConnectionEnded) as raised:
            await websocket.accept()
        await anyio.sleep(0)  # it was told, and is not cancelled as well
        told.append((raised.value.code, raised.value.reason))

    async def test() -> None:
        seen = Calm()
        async with connected(seen.route(endpoint).app) as connection:
            pass
        assert told == [(1008, "session expired")]
        assert connection.end == (401, "session expired")
        assert seen.errors == [None]

    run(test)


@pytest.mark.parametrize("waits_in", ["receive", "something else"])
def test_a_task_that_is_cancelled_at_the_same_time_stays_cancelled(waits_in: str) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        await (websocket.receive() if waits_in == "receive" else anyio.sleep_forever())

    async def test() -> None:
        connection, seen = Connection(), Calm()
        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "path_params": {}}
        app = seen.route(endpoint, max_lifetime=LIFETIME).app
        task = asyncio.ensure_future(app(scope, connection.receive, connection.send))
        await settled()
        clock.forward(LIFETIME)
        for each in tuple(current_sweeper().lives):
            each.look(clock())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert isinstance(seen.errors[0], asyncio.CancelledError)

    with on("asyncio generated", period=math.inf) as run:
        run(test)


@pytest.mark.parametrize("how", ["leaves", "outlived"])
def test_an_endpoint_that_somebody_else_cancels_is_not_cancelled_again(how: str) -> None:
    async def test() -> None:
        connection, seen, last = Connection(), Calm(), Gate()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            try:
                await anyio.sleep_forever()
            finally:
                await last.wait()

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "path_params": {}}
        app = seen.route(endpoint, max_lifetime=LIFETIME, cancel_on_disconnect=True).app
        task = asyncio.ensure_future(app(scope, connection.receive, connection.send))
        await look(2)
        task.cancel()
        await settled()
        if how == "leaves":
            connection.leave(4001)
        else:
            clock.forward(LIFETIME)
        await look(3)
        await last.let_go()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert last.passed
        assert isinstance(seen.errors[0], asyncio.CancelledError)
        assert connection.types == (["accept"] if how == "leaves" else ["accept", "close"])

    with on("asyncio generated", period=math.inf) as run:
        run(test)


def test_a_task_that_is_cancelled_after_it_was_told_is_cancelled() -> None:
    async def test() -> None:
        connection, seen = Connection(), Calm()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            connection.blocked = True
            with pytest.raises(WebSocketDisconnect):
                await websocket.send_text("the client takes nothing")
            assert (await websocket.receive())["type"] == "websocket.disconnect"
            await websocket._receive()

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "path_params": {}}
        app = seen.route(endpoint, cancel_on_disconnect=True).app
        task = asyncio.ensure_future(app(scope, connection.receive, connection.send))
        await look(2)
        connection.leave(4001)
        await settled()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    with on("asyncio generated", period=math.inf) as run:
        run(test)


# Reading ahead


@pytest.mark.parametrize(
    ("policy", "ahead"),
    [
        ({"max_lifetime": LIFETIME}, False),
        ({"accept_timeout": LIFETIME, "idle_timeout": math.inf, "cancel_on_disconnect": False}, False),
        ({"idle_timeout": LIFETIME}, True),
        ({"cancel_on_disconnect": True}, True),
    ],
)
def test_only_who_must_know_of_its_client_is_read_ahead(run: Any, policy: Any, ahead: bool) -> None:
    async def test() -> None:
        quiet = Gate()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await quiet.wait()

        seen = Calm()
        async with connected(seen.route(endpoint, **policy).app) as connection:
            for text in ("one", "two"):
                connection.text(text)
            await look()
            assert len(connection.unread) == 2, "it may receive soon"
            await look()
            assert len(connection.unread) == (0 if ahead else 2)
            connection.text("three")
            await settled()
            assert len(connection.unread) == (0 if ahead else 3), "without another look"
            await quiet.let_go()
        assert seen.ends[0][:2] == (1000, "")

    run(test)


def test_nobody_reads_for_a_connection_that_is_over(run: Any) -> None:
    async def test() -> None:
        quiet = Gate()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await quiet.wait()

        seen = Calm()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app, echo=False) as connection:
            await look(2)
            await quiet.let_go()
            await connection.over.wait()
            connection.text("late")
            await settled()
            assert len(connection.unread) == 1

    run(test)


def test_who_received_since_the_last_look_is_not_read_ahead(run: Any) -> None:
    async def test() -> None:
        gates = [Gate(), Gate()]

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            for gate in gates:
                await gate.wait()
                await websocket.receive_text()
            await anyio.sleep_forever()

        seen = Calm()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            for text in ("one", "two", "three"):
                connection.text(text)
            for gate in gates:
                await look()
                await gate.let_go()
            await look()
            assert len(connection.unread) == 1
            await look()
            assert not connection.unread
            connection.leave(4001)

    run(test)


def test_who_receives_again_is_no_longer_read_ahead(run: Any) -> None:
    heard: list[Any] = []

    async def test() -> None:
        gates = [Gate(), Gate()]

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            for gate in gates:
                await gate.wait()
                heard.append(await websocket.receive())
            heard.append(await websocket.receive())

        seen = Calm()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            await look(2)
            await gates[0].let_go()
            connection.text("one")
            await settled()
            connection.text("two")
            await look()
            assert len(connection.unread) == 1
            await gates[1].let_go()
            connection.leave(4001, "bye")
        assert [message.get("text") for message in heard] == ["one", "two", None]
        assert seen.errors == [None]

    run(test)


def test_who_receives_when_its_client_leaves_gets_that_as_a_message(run: Any) -> None:
    heard: list[Any] = []

    async def test() -> None:
        quiet = Gate()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await quiet.wait()
            heard.append(await websocket.receive())

        seen = Calm()
        async with connected(seen.route(endpoint, cancel_on_disconnect=True).app) as connection:
            await look(2)
            await quiet.let_go()
            connection.leave(4001, "bye")
        assert heard == [{"type": "websocket.disconnect", "code": 4001, "reason": "bye"}]
        assert seen.errors == [None]

    run(test)


def test_a_receive_that_fails_once_fails_for_the_endpoint(run: Any) -> None:
    async def test() -> None:
        quiet = Gate()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await quiet.wait()
            with pytest.raises(RuntimeError, match="broken"):
                await websocket.receive()

        seen, connection = Calm(), Connection()
        answers = iter([connection.receive])

        async def receive() -> Any:
            if (answer := next(answers, None)) is not None:
                return await answer()
            raise RuntimeError("broken")

        scope = {"type": "websocket", "path": "/", "query_string": b"", "headers": [], "path_params": {}}
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(seen.route(endpoint, cancel_on_disconnect=True).app, scope, receive, connection.send)
            await look(2)
            answers = iter([connection.receive] * 10)
            await quiet.let_go()
            assert seen.errors == [None]
            tasks.cancel_scope.cancel()

    run(test)


def test_of_two_ends_the_first_counts(run: Any) -> None:
    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        for _ in range(2):
            await websocket._receive()

    async def test() -> None:
        seen = Calm()
        async with connected(seen.route(endpoint).app) as connection:
            connection.leave(4001, "bye")
            connection.leave(1006)
        assert [end[:2] for end in seen.ends] == [(4001, "bye")]

    run(test)


def test_reading_ahead_ends_at_16_messages_or_64_kibibytes() -> None:
    quiet: Any = object.__new__(life._TaskLife)
    quiet._queue = None
    assert quiet._has_room()
    quiet._held = 65_535
    assert quiet._has_room()
    quiet._held = 65_536
    assert not quiet._has_room()
    quiet._held, quiet._queue = 0, [{}] * 15
    assert quiet._has_room()
    quiet._queue = [{}] * 16
    assert not quiet._has_room()


@pytest.mark.parametrize(
    ("message", "size"),
    [
        ({"type": "websocket.connect"}, 0),
        ({"type": "websocket.receive", "text": "a\u20ac\ud800", "bytes": None}, 7),
        ({"type": "websocket.receive", "text": "", "bytes": b"not this"}, 0),
        ({"type": "websocket.receive", "text": None, "bytes": b"abc"}, 3),
        ({"type": "websocket.receive", "bytes": b"abc"}, 3),
        ({"type": "websocket.receive", "text": None, "bytes": None}, 0),
    ],
)
def test_a_message_counts_with_its_bytes(message: Any, size: int) -> None:
    assert life._size(message) == size


# Drains and logs


def test_a_connection_is_drained_when_its_application_ends_and_not_before(run: Any) -> None:
    async def test() -> None:
        closing = Gate()

        async def endpoint(websocket: WebSocket) -> None:
            await websocket.accept()
            await closing.wait()

        app = Starlette(routes=[APIWebSocketRoute("/", endpoint, policy=ConnectionPolicy(cancel_on_disconnect=True))])
        ended = anyio.Event()

        async def lifespan() -> None:
            async with draining(timeout=100)(app):
                await ended.wait()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lifespan)
            await settled()
            async with connected(app) as connection:
                await look(6)
                assert connection.types == ["accept"]
                connection.blocked = True
                await closing.let_go()
                await look(6)
                assert not connection.over.is_set(), "a slow client gets its frame"
                ended.set()
                await look(5)
                with anyio.fail_after(5):
                    await connection.over.wait()
        assert connection.types == ["accept", "close"]
        assert connection.error is None

    run(test)


def test_a_handshake_that_is_refused_by_a_limit_is_logged(run: Any, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "fastroute")

    async def endpoint(websocket: WebSocket) -> None:
        await anyio.sleep_forever()

    async def test() -> None:
        seen = Calm()
        route = seen.route(endpoint, accept_timeout=LIFETIME)
        async with connected(route.app, route=route):
            await settled()
            clock.forward(LIFETIME)
            await look()

    run(test)
    assert caplog.messages == ["WebSocket /: handshake refused: not accepted in time"]


# The sweeper


def test_it_looks_five_times_a_second_and_sees_the_shields_of_this_anyio() -> None:
    assert sweeper.PERIOD == 0.2
    assert sees_shields()


def test_each_event_loop_keeps_its_own(run: Any) -> None:
    async def other() -> sweeper.Sweeper:
        assert current_sweeper() is current_sweeper()
        return current_sweeper()

    async def test() -> None:
        own = current_sweeper()
        assert await anyio.to_thread.run_sync(anyio.run, other) is not own
        assert current_sweeper() is own

    run(test)


def test_a_task_of_the_loop_sees_nothing_of_the_context_that_began_it(run: Any) -> None:
    value: ContextVar[str] = ContextVar("value", default="of nobody")
    seen: list[str] = []

    async def note() -> None:
        seen.append(value.get())
        await anyio.sleep_forever()

    async def test() -> None:
        value.set("of a connection")
        cancel = spawn(note, current_sweeper().loop)
        await settled()
        cancel()

    run(test)
    assert seen == ["of nobody"]


def test_a_task_of_the_loop_can_be_cancelled(run: Any) -> None:
    left: list[bool] = []

    async def note() -> None:
        with contextlib.ExitStack() as stack:
            stack.callback(left.append, True)
            await anyio.sleep_forever()

    async def test() -> None:
        cancel = spawn(note, current_sweeper().loop)
        await settled()
        assert not left
        cancel()
        await settled()
        assert left == [True]

    run(test)


def test_a_dependency_is_ended_as_an_endpoint_is(run: Any) -> None:
    async def waits() -> None:
        await anyio.sleep_forever()

    async def endpoint(websocket: WebSocket, _: Any = Depends(waits)) -> None: ...

    async def test() -> None:
        seen = Calm()
        async with connected(seen.route(endpoint, max_lifetime=LIFETIME).app) as connection:
            await settled()
            clock.forward(LIFETIME)
            await look()
        assert connection.end == (408, END[1])
        seen.check(ConnectionEnded, 1008, END[1])

    run(test)
