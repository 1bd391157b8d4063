"""Context managers of `contextlib` are dependencies with `yield`, in whatever way they are called."""

import contextlib
import functools
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, Depends

ended: list[str] = []


def check(connection: HTTPConnection) -> str:
    if "key" not in connection.headers:
        raise HTTPException(401)
    return "ann"


@contextlib.asynccontextmanager
async def asynchronous(connection: HTTPConnection, role: str = "user") -> AsyncIterator[str]:
    yield check(connection) + role
    ended.append("asynchronous")


@contextlib.contextmanager
def synchronous(connection: HTTPConnection, role: str = "user") -> Iterator[str]:
    yield check(connection) + role
    ended.append("synchronous")


class Service:
    asynchronous = asynchronous

    @contextlib.asynccontextmanager
    async def method(self, connection: HTTPConnection, role: str = "user") -> AsyncIterator[str]:
        yield check(connection) + role
        ended.append("method")

    @classmethod
    @contextlib.contextmanager
    def of_class(cls, connection: HTTPConnection, role: str = "user") -> Iterator[str]:
        yield check(connection) + role
        ended.append("of_class")

    @staticmethod
    @contextlib.asynccontextmanager
    async def static(connection: HTTPConnection, role: str = "user") -> AsyncIterator[str]:
        yield check(connection) + role
        ended.append("static")

    @contextlib.asynccontextmanager
    async def __call__(self, connection: HTTPConnection, role: str = "user") -> AsyncIterator[str]:
        yield check(connection) + role
        ended.append("call")


def timed(function: Any) -> Any:
    @functools.wraps(function)
    def wrapper(*args: Any, **keywords: Any) -> Any:
        return function(*args, **keywords)

    return wrapper


@functools.wraps(asynchronous)
async def entered(connection: HTTPConnection, role: str = "user") -> AsyncIterator[str]:
    async with asynchronous(connection, role) as user:
        yield user


CALLS: list[Callable[..., Any]] = [
    asynchronous,
    synchronous,
    Service().method,
    Service.of_class,
    Service.static,
    Service(),
    timed(asynchronous),
    timed(timed(synchronous)),
    timed(Service().method),
    entered,
]


@pytest.mark.parametrize("call", CALLS, ids=range(len(CALLS)))
def test_a_context_manager_is_entered_and_left(call: Callable[..., Any]) -> None:
    seen: list[str] = []

    for dependency, expected in (
        (call, "annuser"),
        (functools.partial(call, role="admin"), "annadmin"),
        (functools.partial(functools.partial(call), role="guest"), "annguest"),
    ):

        async def endpoint(websocket: WebSocket, user: Annotated[str, Depends(dependency)]) -> None:
            seen.append(user)
            await websocket.accept()
            assert not ended

        for route in (
            APIWebSocketRoute("/", endpoint),
            APIWebSocketRoute("/", endpoint, dependencies=[Depends(dependency)]),
        ):
            ended.clear()
            app = Starlette(routes=[route])
            assert connect(app, websocket_scope())[0]["status"] == 401
            assert connect(app, websocket_scope(headers=[("key", "x")]))[0]["type"] == "websocket.accept"
            assert seen.pop() == expected
            assert len(ended) == 1
