"""`max_concurrency`: no connection waits for a slot that it keeps itself, and FastAPI's routes share the slots."""

from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import anyio
import fastapi
import pytest
from asgi import http_scope
from engines import ENGINES, engine
from starlette.applications import Starlette
from starlette.testclient import TestClient
from starlette.websockets import WebSocket
from websocket_client import websocket_scope

from fastroute import APIWebSocketRoute, DeclarationError, Depends


async def asynchronous() -> AsyncIterator[str]:
    yield "a"


def synchronous() -> Iterator[str]:
    yield "b"


async def plain() -> str:
    return "c"


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()


def twice(marker: Any) -> APIWebSocketRoute:
    async def between(value: Annotated[str, marker]) -> None: ...

    async def endpoint(
        websocket: WebSocket, value: Annotated[str, marker], other: Annotated[None, Depends(between)]
    ) -> None:
        await websocket.accept()

    return APIWebSocketRoute("/", endpoint)


def connects(route: APIWebSocketRoute) -> None:
    with TestClient(Starlette(routes=[route])).websocket_connect("/"):
        pass


@pytest.mark.parametrize("call", [asynchronous, synchronous])
@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_connection_does_not_wait_for_itself(call: Any, limit: int) -> None:
    marker: Any = Depends(call, max_concurrency=limit, use_cache=False)
    connects(APIWebSocketRoute("/", chat, dependencies=[marker] * limit))
    message = rf"{call.__name__} \(.*test_limits.py:\d+\): Depends\(max_concurrency={limit}\) is used again"
    with pytest.raises(DeclarationError, match=message):
        APIWebSocketRoute("/", chat, dependencies=[marker] * (limit + 1))
    if limit == 1:
        with pytest.raises(DeclarationError, match=message):
            twice(marker)


@pytest.mark.parametrize("call", [asynchronous, synchronous, plain])
def test_uses_that_end_or_share_a_result_are_served(call: Any) -> None:
    connects(twice(Depends(call, max_concurrency=1)))
    connects(twice(Depends(plain, max_concurrency=1, use_cache=False)))
    markers: list[Any] = [Depends(call, max_concurrency=1, use_cache=False) for _ in range(3)]
    connects(APIWebSocketRoute("/", chat, dependencies=markers))


def test_an_override_that_keeps_its_slot_is_refused() -> None:
    app = Starlette(routes=[twice(Depends(plain, max_concurrency=1, use_cache=False))])
    connects(app.routes[0])  # type: ignore[arg-type]
    app.dependency_overrides = {plain: asynchronous}  # type: ignore[attr-defined]
    with pytest.raises(DeclarationError, match="is used again"), TestClient(app).websocket_connect("/"):
        raise AssertionError("let in")


@pytest.mark.parametrize("kind", ["plain", "generator"])
@pytest.mark.parametrize("engine_name", ENGINES)
def test_fastapis_routes_and_ours_share_the_slots_of_fastapis_depends(engine_name: str, kind: str) -> None:
    inside, seen = 0, []

    async def use() -> None:
        nonlocal inside
        inside += 1
        seen.append(inside)
        await anyio.sleep(0.005)
        inside -= 1

    async def generator() -> AsyncIterator[None]:
        await use()
        yield

    marker = fastapi.Depends(use if kind == "plain" else generator, max_concurrency=2)
    app = fastapi.FastAPI(openapi_url=None)
    app.add_api_route("/page", plain, dependencies=[marker])
    app.router.routes.append(APIWebSocketRoute("/socket", chat, dependencies=[marker]))

    async def ask(scope: dict[str, Any]) -> None:
        async def receive() -> Any:
            return {"type": "websocket.connect" if scope["type"] == "websocket" else "http.request"}

        async def send(message: Any) -> None: ...

        await app(scope, receive, send)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(3):
                group.start_soon(ask, http_scope("/page"))
                group.start_soon(ask, websocket_scope("/socket"))

    with engine(engine_name):
        anyio.run(main)
    assert len(seen) == 6
    assert max(seen) == 2
