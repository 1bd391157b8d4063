"""Both engines run every kind of dependency, and after a wrong parameter those that do not depend on it."""

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import anyio
import anyio.to_thread
import fastapi.security
import pytest
from engines import ENGINES, engine
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Deadline, Depends, Query, Security, SecurityScopes


@pytest.fixture(params=list(ENGINES), autouse=True)
def _engine(request: pytest.FixtureRequest) -> Iterator[None]:
    with engine(request.param):
        yield


def value() -> int:
    return 7


async def async_value() -> int:
    return 8


def entered() -> Iterator[int]:
    yield 9


async def needs(number: Annotated[int, Query()]) -> int:
    return number


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("before", [True, False])
def test_what_needs_no_wrong_parameter_runs_with_all_its_arguments(limit: int | None, before: bool) -> None:
    ran: list[Any] = []

    def limited(call: Callable[..., Any]) -> Any:
        return Depends(call) if limit is None else Depends(call, max_concurrency=limit)

    async def takes(
        websocket: WebSocket,
        connection: HTTPConnection,
        deadline: Deadline,
        scopes: SecurityScopes,
        a: Annotated[int, limited(value)],
        b: Annotated[int, limited(async_value)],
        c: Annotated[int, limited(entered)],
        q: Annotated[str, Query()],
    ) -> None:
        ran.append((websocket is connection, type(deadline), scopes.scopes, a, b, c, q))

    async def takes_the_wrong_one(number: Annotated[int, Depends(needs)]) -> None:
        raise AssertionError("its parameter is wrong")

    async def endpoint(websocket: WebSocket, last: Annotated[int, Query()]) -> None:
        raise AssertionError("a parameter is wrong")

    wrong = [Depends(needs), Depends(takes_the_wrong_one)]
    right = [Security(takes, scopes=["read"])]
    route = APIWebSocketRoute("/", endpoint, dependencies=right + wrong if before else wrong + right)
    sent = connect(route, websocket_scope("/", query_string=b"number=x&q=text"))
    assert ran == [(True, Deadline, ["read"], 7, 8, 9, "text")]
    assert "number" in sent[-1]["reason"]
    assert "last" in sent[-1]["reason"]


def test_after_a_wrong_parameter_earlier_results_are_taken() -> None:
    ran: list[int] = []

    async def takes(a: Annotated[int, Depends(value)], b: Annotated[int, Depends(async_value)]) -> None:
        ran.append(a + b)

    async def endpoint(websocket: WebSocket) -> None:
        raise AssertionError("a parameter is wrong")

    dependencies = [Depends(value), Depends(async_value), Depends(needs), Depends(takes)]
    route = APIWebSocketRoute("/", endpoint, dependencies=dependencies)
    assert "number" in connect(route, websocket_scope("/?number=x"))[-1]["reason"]
    assert ran == [15]


async def coroutine(first: int, second: int, a: Annotated[int, Depends(value)]) -> list[int]:
    return [first, second, a]


def in_thread(first: int, second: int, a: Annotated[int, Depends(value)]) -> list[int]:
    return [first, second, a]


async def async_generator(first: int, second: int, a: Annotated[int, Depends(value)]) -> AsyncIterator[list[int]]:
    yield [first, second, a]


def generator(first: int, second: int, a: Annotated[int, Depends(value)]) -> Iterator[list[int]]:
    yield [first, second, a]


def test_after_a_wrong_parameter_a_deadline_is_that_of_the_connection() -> None:
    async def sets(deadline: Deadline) -> None:
        deadline.after(30)
        ran.append(True)

    async def endpoint(websocket: WebSocket) -> None:
        raise AssertionError("a parameter is wrong")

    ran: list[bool] = []
    route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(needs), Depends(sets)])
    assert "number" in connect(route, websocket_scope("/?number=x"))[-1]["reason"]
    assert ran == [True]


@pytest.mark.parametrize("limit", [None, 1])
@pytest.mark.parametrize("call", [coroutine, in_thread, async_generator, generator])
def test_each_kind_of_dependency_gets_its_arguments(call: Any, limit: int | None) -> None:
    seen: list[Any] = []
    marker: Any = Depends(call) if limit is None else Depends(call, max_concurrency=limit)

    async def endpoint(websocket: WebSocket, made: Annotated[Any, marker], last: int, other: int = 4) -> None:
        seen.append([made, last, other])

    route = APIWebSocketRoute("/", endpoint)
    connect(route, websocket_scope("/?first=1&second=2&last=3"))
    assert seen == [[[1, 2, 7], 3, 4]]
    reason = connect(route, websocket_scope("/?first=1&second=x&last=x"))[-1]["reason"]
    assert "second" in reason
    assert "last" in reason
    assert "first" not in reason


@pytest.mark.parametrize("cls", [SecurityScopes, fastapi.security.SecurityScopes], ids=["ours", "FastAPI's"])
def test_scopes_are_of_the_class_that_asks_for_them(cls: Any) -> None:
    seen: list[Any] = []

    async def checks(scopes: cls) -> None:
        seen.append(scopes)

    async def endpoint(websocket: WebSocket, q: int) -> None: ...

    route = APIWebSocketRoute("/", endpoint, dependencies=[Security(checks, scopes=["read"])])
    for query in ("q=1", "q=x"):
        connect(route, websocket_scope(f"/?{query}"))
    assert [(type(scopes), scopes.scopes) for scopes in seen] == [(cls, ["read"])] * 2


@pytest.mark.parametrize("is_taken", [True, False])
def test_a_refusal_that_nobody_raises_is_an_error(is_taken: bool) -> None:
    async def guard() -> Any:
        return PermissionError("no")

    async def takes(refusal: Annotated[Any, Depends(guard)]) -> None: ...

    async def endpoint(websocket: WebSocket) -> None:
        raise AssertionError("let in")

    route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(takes if is_taken else guard)])
    with pytest.raises(RuntimeError, match="gives PermissionError, and nothing raises it"):
        connect(route, websocket_scope("/"))


@pytest.mark.parametrize("call", [async_generator, generator])
def test_a_generator_keeps_its_slot_to_the_end_of_its_clean_up(call: Any) -> None:
    """With one slot, no two connections are between its `yield` and the end of the endpoint."""
    inside = most = 0

    async def endpoint(websocket: WebSocket) -> None:
        nonlocal inside, most
        inside += 1
        most = max(most, inside)
        await anyio.sleep(0.005)
        inside -= 1

    route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(call, max_concurrency=1)])

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(message: Any) -> None: ...

    async def test() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(route.app, websocket_scope("/?first=1&second=2"), receive, send)

    anyio.run(test)
    assert most == 1


def test_a_clean_up_in_a_thread_waits_for_no_thread_of_the_pool() -> None:
    left = []

    def dependency() -> Iterator[None]:
        yield
        left.append(True)

    async def endpoint(websocket: WebSocket) -> None:
        await websocket.accept()
        pool = anyio.to_thread.current_default_thread_limiter()
        # As if each thread waited for the thing that the clean-up gives back.
        for number in range(int(pool.total_tokens)):
            pool.acquire_on_behalf_of_nowait(number)

    async def test() -> None:
        route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(dependency)])
        messages = [{"type": "websocket.connect"}]

        async def receive() -> Any:
            return messages.pop()

        async def send(message: Any) -> None: ...

        with anyio.fail_after(5):
            await route.app(websocket_scope("/"), receive, send)

    anyio.run(test)
    assert left == [True]


@pytest.mark.parametrize("error", [RuntimeError("its own"), ValueError("generator didn't work")], ids=range(2))
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("fails", [True, False])
def test_an_error_of_the_dependency_itself_gets_no_note(is_async: bool, fails: bool, error: Exception) -> None:
    """A note names a dependency that does not yield once, which `contextlib` only tells by a RuntimeError."""

    async def asynchronous() -> AsyncIterator[None]:
        try:
            yield
        finally:
            raise error

    def synchronous() -> Iterator[None]:
        try:
            yield
        finally:
            raise error

    async def endpoint(websocket: WebSocket) -> None:
        if fails:
            raise LookupError

    call: Any = asynchronous if is_async else synchronous
    with pytest.raises(type(error), match=str(error)) as raised:
        connect(APIWebSocketRoute("/", endpoint, dependencies=[Depends(call)]), websocket_scope())
    assert not hasattr(raised.value, "__notes__")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("fails", [False, True])
def test_an_error_of_a_clean_up_in_a_thread_has_a_context(backend: str, fails: bool) -> None:
    """Its own; or the error of the endpoint, since asyncio raises it again while that is handled."""

    def dependency() -> Iterator[None]:
        try:
            yield
        finally:
            try:
                raise KeyError("inner")
            except KeyError:
                raise ValueError("outer")  # noqa: B904  # the context is what is tested

    async def endpoint(websocket: WebSocket) -> None:
        if fails:
            raise LookupError("endpoint")

    async def test() -> None:
        route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(dependency)])

        async def receive() -> Any:
            return {"type": "websocket.connect"}

        async def send(message: Any) -> None: ...

        with pytest.raises(ValueError, match="outer") as raised:
            await route.app(websocket_scope("/"), receive, send)
        assert type(raised.value.__context__) is (LookupError if fails else KeyError)

    anyio.run(test, backend=backend)
