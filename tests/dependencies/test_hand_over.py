"""After a wrong parameter the interpreter runs what does not depend on it; and what clean-ups in threads rely on."""

from collections.abc import Callable, Iterator
from typing import Annotated, Any

import anyio
import anyio.to_thread
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
