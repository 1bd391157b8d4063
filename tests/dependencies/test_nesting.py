"""Chains of dependencies that are longer than Python's recursion limit."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from types import SimpleNamespace
from typing import Annotated, Any

import pytest
from engines import ENGINES, engine
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, DeclarationError, Depends, Security, SecurityScopes
from fastroute.dependencies.nesting import Nested, unnested

LENGTH = 1_200


def coroutine(inner: Any) -> Callable[..., Any]:
    async def dependency(value: Annotated[int, inner]) -> int:
        return value + 1

    return dependency


def thread(inner: Any) -> Callable[..., Any]:
    def dependency(value: Annotated[int, inner]) -> int:
        return value + 1

    return dependency


def async_generator(inner: Any) -> Callable[..., Any]:
    async def dependency(value: Annotated[int, inner]) -> AsyncIterator[int]:
        yield value + 1

    return dependency


def generator(inner: Any) -> Callable[..., Any]:
    def dependency(value: Annotated[int, inner]) -> Iterator[int]:
        yield value + 1

    return dependency


async def first(q: int) -> int:
    return q


def chain(make: Callable[[Any], Callable[..., Any]], marker: Callable[..., Any] = Depends) -> Callable[..., Any]:
    call: Callable[..., Any] = first
    for _ in range(LENGTH):
        call = make(marker(call))
    return call


def test_the_chain_is_longer_than_the_limit() -> None:
    assert sys.getrecursionlimit() < LENGTH


@pytest.mark.slow
@pytest.mark.parametrize("engine_name", ENGINES)
@pytest.mark.parametrize("make", [coroutine, thread, async_generator, generator])
def test_a_long_chain(make: Callable[[Any], Callable[..., Any]], engine_name: str) -> None:
    seen: list[int] = []
    last = chain(make)

    async def endpoint(websocket: WebSocket, value: Annotated[int, Depends(last)]) -> None:
        seen.append(value)

    with engine(engine_name):
        route = APIWebSocketRoute("/", endpoint, dependencies=[Depends(last)])
        connect(route, websocket_scope("/?q=3"))
        assert seen == [3 + LENGTH]
        # At the first error the generated code hands the whole chain over.
        assert connect(route, websocket_scope("/"))[-1]["reason"] == "query.q: Field required"


@pytest.mark.slow
@pytest.mark.parametrize("engine_name", ENGINES)
def test_a_long_chain_of_an_override_below_scopes(engine_name: str) -> None:
    seen: list[Any] = []

    async def innermost(scopes: SecurityScopes) -> list[str]:
        return scopes.scopes

    def handed_on(inner: Any) -> Callable[..., Any]:
        async def dependency(value: Annotated[list[str], inner]) -> list[str]:
            return value

        return dependency

    replacement: Callable[..., Any] = innermost
    for _ in range(LENGTH):
        replacement = handed_on(Depends(replacement))

    async def endpoint(websocket: WebSocket, value: Annotated[Any, Security(first, scopes=["read"])]) -> None:
        seen.append(value)

    provider = SimpleNamespace(dependency_overrides={first: replacement})
    with engine(engine_name):
        route = APIWebSocketRoute("/", endpoint, dependency_overrides_provider=provider)
        connect(route, websocket_scope("/?q=1"))
    assert seen == [["read"]]


def test_a_cycle_is_named() -> None:
    async def one(value: Any = None) -> None: ...

    two = coroutine(Depends(one))
    one.__defaults__ = (Depends(two),)

    async def endpoint(websocket: WebSocket, value: Annotated[Any, Depends(one)]) -> None: ...

    with pytest.raises(DeclarationError) as caught:
        APIWebSocketRoute("/", endpoint)
    assert caught.value.call is one
    names = caught.value.problem.partition(": ")[2].partition(";")[0].split(" -> ")
    assert [name.rpartition(".")[2] for name in names] == ["one", "dependency", "one"]
    assert caught.value.parameter is None


def test_results_and_errors_of_nested_calls() -> None:
    def factorial(n: int) -> Nested[int]:
        if n < 0:
            raise ValueError(n)
        below = 1 if n == 0 else (yield factorial(n - 1))
        return max(n, 1) * below % 1_000_003

    expected = 1
    for n in range(1, 5_001):
        expected = expected * n % 1_000_003
    assert unnested(factorial(5_000)) == expected
    with pytest.raises(ValueError, match="-1"):
        unnested(factorial(-1))
