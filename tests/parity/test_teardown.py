"""Clean-up of yield dependencies, and what reaches them: as in FastAPI."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import anyio
import pytest
from oracle import (
    BACKENDS,
    FASTAPI,
    OURS,
    TIME_LIMIT,
    Api,
    Declared,
    Mounted,
    Server,
    handshake,
    parity,
    starlette,
)
from starlette.exceptions import HTTPException, WebSocketException
from starlette.websockets import WebSocket, WebSocketDisconnect

# Order


@parity(handshake("/?q=1"), handshake("/?q=x"))
def test_exits_in_reverse_order(api: Api) -> Any:
    a, b, c, d = (api.resource(name, sync=name in "bd") for name in "abcd")

    async def nested(value: Annotated[str, api.Depends(b)]) -> AsyncIterator[str]:
        api.log("nested", value)
        yield "nested"
        api.log("nested exit")

    async def endpoint(
        websocket: WebSocket,
        q: int,
        one: Annotated[str, api.Depends(a)],
        two: Annotated[str, api.Depends(nested)],
        three: Annotated[str, api.Depends(c)],
        four: Annotated[str, api.Depends(d)],
    ) -> None:
        await api.end(websocket, one, two, three, four)
        api.log("endpoint ends")

    return Declared(endpoint, [api.Depends(d)])


# Exceptions


ERRORS: dict[str, Any] = {
    "error": lambda: ValueError("broken"),
    "http": lambda: HTTPException(403, "no"),
    "websocket": lambda: WebSocketException(3000, "no"),
    "lookup": lambda: KeyError("handled"),
}


def handlers(api: Api) -> dict[Any, Any]:
    async def handled(websocket: WebSocket, error: Exception) -> None:
        api.log("handler", error)
        await websocket.close(4000)

    return {KeyError: handled}


def sync_or_not(case: Any) -> Any:
    return pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])(case)


def compared(ours: str, declare: Any, *connections: Any) -> None:
    for connection in connections or [handshake()]:
        for backend in BACKENDS:
            expected = Mounted(FASTAPI, declare, "/", starlette).run(connection, backend)
            assert expected.events
            assert Mounted(OURS[ours], declare, "/", starlette).run(connection, backend) == expected


@sync_or_not
@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("place", ["endpoint", "dependency", "generator", "validation"])
def test_an_exception_reaches_the_generators(place: str, kind: str, ours: str, sync: bool) -> None:
    def declare(api: Api) -> Any:
        async def dependency() -> None:
            if place == "dependency":
                raise ERRORS[kind]()

        async def generator() -> AsyncIterator[None]:
            if place == "generator":
                raise ERRORS[kind]()
            yield
            api.log("generator exit")

        async def endpoint(
            websocket: WebSocket,
            a: Annotated[str, api.Depends(api.resource("a", sync=sync))],
            b: Annotated[str, api.Depends(api.resource("b", sync=sync), scope="function")],
            c: Annotated[None, api.Depends(generator)],
            d: Annotated[None, api.Depends(dependency)],
            q: int = 0,
        ) -> None:
            api.log("endpoint")
            raise ERRORS[kind]()

        return Declared(endpoint, handlers=handlers(api))

    compared(ours, declare, handshake("/?q=x" if place == "validation" else "/"))


@sync_or_not
@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize(("first", "caught"), [("error", True), ("error", False), ("none", False)])
def test_a_clean_up_raises_another(first: str, kind: str, ours: str, sync: bool, caught: bool) -> None:
    def declare(api: Api) -> Any:
        async def asynchronous() -> AsyncIterator[None]:
            try:
                yield
            except ValueError:
                if caught:
                    raise ERRORS[kind]() from None
                raise
            finally:
                if not caught:
                    raise ERRORS[kind]()

        def synchronous() -> Iterator[None]:
            try:
                yield
            except ValueError:
                if caught:
                    raise ERRORS[kind]() from None
                raise
            finally:
                if not caught:
                    raise ERRORS[kind]()

        async def endpoint(
            websocket: WebSocket,
            a: Annotated[str, api.Depends(api.resource("a"))],
            b: Annotated[None, api.Depends(synchronous if sync else asynchronous)],
            c: Annotated[str, api.Depends(api.resource("c"))],
        ) -> None:
            if first == "error":
                raise ValueError("first")
            api.log("endpoint")

        return Declared(endpoint, handlers=handlers(api))

    compared(ours, declare)


@sync_or_not
@pytest.mark.parametrize("ours", OURS)
def test_a_swallowed_error_after_accept(ours: str, sync: bool) -> None:
    def declare(api: Api) -> Any:
        async def asynchronous() -> AsyncIterator[None]:
            try:
                yield
            except ValueError as error:
                api.log("swallowed", error)

        def synchronous() -> Iterator[None]:
            try:
                yield
            except ValueError as error:
                api.log("swallowed", error)

        async def endpoint(
            websocket: WebSocket,
            a: Annotated[str, api.Depends(api.resource("a"))],
            b: Annotated[None, api.Depends(synchronous if sync else asynchronous)],
            c: Annotated[str, api.Depends(api.resource("c"))],
        ) -> None:
            await api.end(websocket)
            raise ValueError("swallowed")

        return endpoint

    compared(ours, declare)


@parity()
def test_context_of_exceptions_is_kept(api: Api) -> Any:
    async def first() -> AsyncIterator[None]:
        try:
            yield
        except TypeError as error:
            raise KeyError("from first") from error

    async def second() -> AsyncIterator[None]:
        try:
            yield
        finally:
            raise TypeError("from second")

    async def endpoint(
        websocket: WebSocket, a: Annotated[None, api.Depends(first)], b: Annotated[None, api.Depends(second)]
    ) -> None:
        raise ValueError("from the endpoint")

    return endpoint


@parity(handshake("/"), handshake("/?accept=1"))
def test_handlers_run_after_the_clean_up(api: Api) -> Any:
    async def endpoint(
        websocket: WebSocket, a: Annotated[str, api.Depends(api.resource("a"))], accept: int = 0
    ) -> None:
        if accept:
            await websocket.accept()
        raise KeyError("handled")

    return Declared(endpoint, handlers=handlers(api))


# Generators with too few or too many yields


@pytest.mark.parametrize("sync", [False, True], ids=["async", "sync"])
@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("yields", [0, 2])
@pytest.mark.parametrize("fails", [False, True])
def test_generators_with_no_or_two_yields(yields: int, sync: bool, ours: str, fails: bool) -> None:
    def declare(api: Api) -> Any:
        async def asynchronous() -> AsyncIterator[int]:
            for each in range(yields):
                try:
                    yield each
                except ValueError:
                    api.log("passed over")

        def synchronous() -> Iterator[int]:
            for each in range(yields):
                try:
                    yield each
                except ValueError:
                    api.log("passed over")

        async def endpoint(
            websocket: WebSocket,
            a: Annotated[str, api.Depends(api.resource("a"))],
            b: Annotated[int, api.Depends(synchronous if sync else asynchronous)],
        ) -> None:
            await api.end(websocket, b)
            if fails:
                raise ValueError("broken")

        return endpoint

    compared(ours, declare)


# Cancellation


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ours", OURS)
@pytest.mark.parametrize("when", ["endpoint", "dependency", "clean-up"])
def test_cancellation_reaches_the_generators(when: str, ours: str, backend: str) -> None:
    """Clean-ups see the cancellation, and may await all the same."""

    def declare(api: Api) -> Any:
        async def slow_exit() -> AsyncIterator[str]:
            try:
                yield "slow"
            except BaseException as error:
                api.log("slow sees", type(error).__name__)
                raise
            finally:
                if when == "clean-up":
                    api.waiting.set()
                await anyio.sleep(0.01)
                api.log("slow exit")

        def in_thread() -> Iterator[str]:
            try:
                yield "thread"
            except BaseException as error:
                api.log("thread sees", type(error).__name__)
                raise
            finally:
                api.log("thread exit")

        async def group() -> AsyncIterator[Any]:
            async with anyio.create_task_group() as tasks:
                yield tasks
                tasks.cancel_scope.cancel()
            api.log("group exit")

        async def waits() -> None:
            if when == "dependency":
                api.waiting.set()
                await anyio.sleep(TIME_LIMIT)

        async def endpoint(
            websocket: WebSocket,
            a: Annotated[str, api.Depends(slow_exit)],
            b: Annotated[str, api.Depends(in_thread)],
            c: Annotated[Any, api.Depends(group)],
            d: Annotated[str, api.Depends(slow_exit, scope="function")],
            e: Annotated[None, api.Depends(waits)],
        ) -> None:
            await websocket.accept()
            api.log("endpoint")
            if when == "endpoint":
                api.waiting.set()
                await anyio.sleep(TIME_LIMIT)

        return endpoint

    def record(names: dict[str, Any]) -> Any:
        mounted = Mounted(names, declare, "/", starlette)

        async def main() -> Any:
            mounted.api.waiting = anyio.Event()
            server = Server(handshake())
            outcome: list[str] = []

            async def serve() -> None:
                try:
                    await mounted.app(server.scope, server.receive, server.send)
                    outcome.append("returned")
                except anyio.get_cancelled_exc_class():
                    outcome.append("cancelled")
                    raise

            with anyio.fail_after(TIME_LIMIT):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(serve)
                    await mounted.api.waiting.wait()
                    tasks.cancel_scope.cancel()
            return outcome, mounted.api.events, server.messages

        return anyio.run(main, backend=backend)

    expected = record(FASTAPI)
    assert ("slow exit",) in expected[1]
    assert record(OURS[ours]) == expected


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("ours", OURS)
def test_a_task_group_of_a_dependency_fails(ours: str, backend: str) -> None:
    """A task started in a dependency's group raises while the endpoint waits."""

    def declare(api: Api) -> Any:
        async def group() -> AsyncIterator[Any]:
            try:
                async with anyio.create_task_group() as tasks:
                    yield tasks
            except BaseExceptionGroup as errors:
                api.log("group", len(errors.exceptions), errors.exceptions[0])
                raise errors.exceptions[0] from None

        async def endpoint(
            websocket: WebSocket,
            a: Annotated[str, api.Depends(api.resource("a"))],
            tasks: Annotated[Any, api.Depends(group)],
            c: Annotated[str, api.Depends(api.resource("c", sync=True))],
        ) -> None:
            async def fails() -> None:
                raise KeyError("handled")

            await websocket.accept()
            tasks.start_soon(fails)
            try:
                await anyio.sleep(TIME_LIMIT)
            finally:
                api.log("endpoint ends")

        return Declared(endpoint, handlers=handlers(api))

    expected = Mounted(FASTAPI, declare, "/", starlette).run(handshake(), backend)
    assert expected.messages[-1]["code"] == ("int", "4000")
    assert Mounted(OURS[ours], declare, "/", starlette).run(handshake(), backend).messages == expected.messages


# A client that leaves, and StopIteration


@parity(handshake(messages=("one",)), handshake())
def test_a_disconnect_reaches_the_generators(api: Api) -> Any:
    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(api.resource("a"))]) -> None:
        await websocket.accept()
        try:
            while True:
                api.log(await websocket.receive_text())
        except WebSocketDisconnect as gone:
            api.log("gone", gone.code, gone.reason)

    return endpoint


@parity()
def test_a_disconnect_is_seen_by_generators(api: Api) -> Any:
    async def catches() -> AsyncIterator[None]:
        try:
            yield
        except WebSocketDisconnect as gone:
            api.log("gone", gone.code)

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[str, api.Depends(catches)],
        b: Annotated[str, api.Depends(api.resource("b"))],
    ) -> None:
        await websocket.accept()
        await websocket.receive_text()

    return endpoint


@parity()
def test_stop_iteration_from_a_thread(api: Api) -> Any:
    def dependency() -> None:
        raise StopIteration("stop")

    async def endpoint(websocket: WebSocket, a: Annotated[None, api.Depends(dependency)]) -> None:
        await api.end(websocket)

    return endpoint


@parity()
def test_stop_iteration_from_a_coroutine(api: Api) -> Any:
    async def dependency() -> None:
        raise StopAsyncIteration("stop")

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[str, api.Depends(api.resource("a"))],
        b: Annotated[None, api.Depends(dependency)],
    ) -> None:
        await api.end(websocket)

    return endpoint
