"""Dependencies, given by place, that land in another parameter: nobody would read them there."""

import inspect
from collections.abc import Callable
from typing import Any

import fastapi
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, DeclarationError, Depends, Router, Security


async def guard(connection: HTTPConnection) -> None:
    raise HTTPException(401)


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()


CALLS: dict[str, Callable[[Any], Any]] = {
    "APIWebSocketRoute": lambda given: APIWebSocketRoute("/", chat, given),
    "websocket": lambda given: Router().websocket("/", given)(chat),
    "websocket without path": lambda given: Router().websocket("", given)(chat),
    "add_api_websocket_route": lambda given: Router().add_api_websocket_route("/", chat, given),
    "add_websocket_route": lambda given: Router().add_websocket_route("/", chat, given),
    "add_route": lambda given: Router().add_route("/", chat, ["GET"], given),
    "mount": lambda given: Router().mount("/", chat, given),
    "host": lambda given: Router().host("example.org", chat, given),
    "include_router": lambda given: Router().include_router(Router(), given),
    "Router(prefix=)": lambda given: Router(prefix=given),
}
GIVEN = {
    "list": [Depends(guard)],
    "two": [Depends(guard), Security(guard)],
    "tuple": (Depends(guard),),
    "marker": Depends(guard),
    "FastAPI's": [fastapi.Depends(guard)],
    "function": guard,
    "functions": [guard],
}


@pytest.mark.parametrize("given", GIVEN.values(), ids=GIVEN)
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_dependencies_are_no_name_and_no_prefix(call: Callable[[Any], Any], given: Any) -> None:
    with pytest.raises(DeclarationError, match=r"parameter '(name|prefix)': .*is no text; write .*dependencies=\["):
        call(given)


@pytest.mark.parametrize("given", [5, b"chat", [], object()], ids=["int", "bytes", "empty", "object"])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_name_or_prefix_must_be_a_text(call: Callable[[Any], Any], given: Any) -> None:
    with pytest.raises(DeclarationError, match=r"is no text; write (name|prefix)='\.\.\.'"):
        call(given)


def test_no_prefix_is_the_empty_text() -> None:
    with pytest.raises(DeclarationError, match="parameter 'prefix': None is no text"):
        Router(prefix=None)  # type: ignore[arg-type]


def test_the_endpoint_and_its_place_are_named() -> None:
    line = inspect.getsourcelines(chat)[1]
    with pytest.raises(DeclarationError) as raised:
        APIWebSocketRoute("/", chat, [Depends(guard)])  # type: ignore[arg-type]
    assert str(raised.value) == (
        f"{__name__}.chat ({__file__}:{line}): parameter 'name': [Depends(guard)] is no text; "
        "write dependencies=[Depends(guard)]"
    )


class Guard:
    def __call__(self) -> None: ...


@pytest.mark.parametrize("thing", [guard, Depends(guard), fastapi.Depends(guard)], ids=range(3))
def test_a_router_has_no_place_so_that_the_function_is_named(thing: Any) -> None:
    for given in (thing, [thing]):
        with pytest.raises(DeclarationError) as raised:
            Router(prefix=given)
        assert raised.value.call is guard
    with pytest.raises(DeclarationError) as raised:
        Router(dependencies=thing)
    assert raised.value.call is guard


@pytest.mark.parametrize(
    "thing", [Guard, Guard(), Depends(Guard()), Depends, fastapi.Depends, str.upper, 5], ids=range(7)
)
def test_the_router_itself_is_named_if_the_code_of_no_function_shows_the_place(thing: Any) -> None:
    for given in (thing, [thing]):
        with pytest.raises(DeclarationError) as raised:
            Router(prefix=given)
        assert raised.value.call is (str.upper if thing is str.upper else Router)


@pytest.mark.parametrize("thing", [*GIVEN["two"], guard, "x", None, 5, WebSocketRoute], ids=range(7))  # type: ignore[misc]
def test_routes_are_routes(thing: Any) -> None:
    with pytest.raises(DeclarationError, match=r"parameter 'routes': .* is no route; write "):
        Router([thing])
    router = Router()
    with pytest.raises(DeclarationError, match="is no route"):
        router.routes.append(thing)
    assert router.routes == []


def test_the_second_place_of_a_router_is_no_list() -> None:
    with pytest.raises(DeclarationError, match=r"parameter 'redirect_slashes': .* write Router\(dependencies=\["):
        Router([], [Depends(guard)])  # type: ignore[arg-type]
