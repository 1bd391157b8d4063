"""A policy in each kind of application, driven by Starlette's TestClient."""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import fastapi.routing
import pytest
from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount
from starlette.testclient import TestClient, WebSocketDenialResponse
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastroute import ConnectionPolicy, Depends, Messages, Router, accelerate, draining

# They wait for timeouts.
pytestmark = pytest.mark.slow

GOOD = {"Origin": "https://app.example.org"}


class Application:
    """Routes with a policy; `seen` by a dependency, and `ends` that `on_end` was told."""

    def __init__(self) -> None:
        self.seen: list[Any] = []
        self.ends: list[tuple[int, str]] = []
        policy = ConnectionPolicy(
            origins=GOOD["Origin"], cancel_on_disconnect=True, idle_timeout=0.3, max_lifetime=60, on_end=self.on_end
        )
        self.router = Router(policy=policy, dependencies=[Depends(self.dependency)])
        self.router.add_api_websocket_route("/echo", echo)
        self.router.add_api_websocket_route("/push", push)
        self.router.add_api_websocket_route("/typed", typed)

    def on_end(self, scope: Any, code: int, reason: str, seconds: float) -> None:
        self.ends.append((code, reason))

    async def dependency(self) -> AsyncIterator[None]:
        try:
            yield
        except BaseException as error:
            self.seen.append(getattr(error, "code", type(error)))
            raise
        else:
            self.seen.append(None)


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    while True:
        await websocket.send_text(await websocket.receive_text())


async def push(websocket: WebSocket) -> None:
    await websocket.accept()
    await anyio.sleep_forever()


async def typed(messages: Messages[int, int]) -> None:
    await messages.accept()
    async for message in messages:
        await messages.send(message + 1)


def in_fastapi(router: Router) -> FastAPI:
    app = FastAPI(lifespan=draining())
    app.router.routes.extend(router.routes)
    accelerate(app)
    return app


def included_by_fastapi(router: Router) -> FastAPI:
    app, inner = FastAPI(), APIRouter()
    inner.routes.extend(router.routes)
    app.include_router(inner)
    return app


keeps_included = pytest.mark.skipif(
    not hasattr(fastapi.routing, "_IncludedRouter"), reason="before 0.137 FastAPI copies routes that it includes"
)
KINDS: list[Any] = [
    pytest.param(lambda router: router, id="Router"),
    pytest.param(lambda router: Starlette(routes=router.routes, lifespan=draining()), id="Starlette"),
    pytest.param(lambda router: Starlette(routes=[Mount("/", Starlette(routes=[Mount("/", router)]))]), id="mounted"),
    pytest.param(in_fastapi, id="accelerated FastAPI"),
    pytest.param(included_by_fastapi, id="included by FastAPI", marks=keeps_included),
]


@pytest.mark.parametrize("application_with", KINDS)
def test_it_holds_in_every_application(application_with: Any) -> None:
    application = Application()
    app = application_with(application.router)
    for path in ("/echo", "/push", "/typed"):
        application.seen, application.ends = [], []
        with TestClient(app) as client:
            with (
                pytest.raises(WebSocketDenialResponse) as denied,
                client.websocket_connect(path, headers={"Origin": "null"}),
            ):
                pass
            assert denied.value.status_code == 403
            with client.websocket_connect(path, headers=GOOD) as websocket:
                if path != "/push":
                    websocket.send_text("1")
                    assert websocket.receive_text() == ("1" if path == "/echo" else "2")
                with pytest.raises(WebSocketDisconnect) as raised:
                    websocket.receive_text()
        assert (raised.value.code, raised.value.reason) == (1001, "idle timeout")
        assert application.ends == [(403, "Origin not allowed"), (1001, "idle timeout")]
        # The iteration over messages ends as the connection does.
        assert application.seen == [None if path == "/typed" else 1001]
