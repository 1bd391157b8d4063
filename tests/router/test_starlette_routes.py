"""Routes of Starlette in a `Router`: their endpoints have no markers, which nobody would read."""

import functools
from collections.abc import Callable
from typing import Annotated, Any

import fastapi
import pytest
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint, WebSocketEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Mount, WebSocketRoute
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, DeclarationError, Depends, Header, Router


async def guard() -> str:
    raise NotImplementedError


async def by_default(websocket: WebSocket, user: str = Depends(guard)) -> None: ...
async def by_keyword(websocket: WebSocket, *, user: str = fastapi.Depends(guard)) -> None: ...
async def annotated(websocket: WebSocket, user: Annotated[str, Depends(guard)] = "x") -> None: ...
async def in_text(websocket: WebSocket, user: "Annotated[str, fastapi.Security(guard)]" = "x") -> None: ...
async def header(websocket: WebSocket, user: str = Header("x")) -> None: ...


class Endpoint(WebSocketEndpoint):
    async def on_connect(self, websocket: WebSocket, user: str = Depends(guard)) -> None: ...


class Below(Endpoint): ...


class Holder:
    async def method(self, websocket: WebSocket, user: str = Depends(guard)) -> None: ...


ENDPOINTS = [by_default, by_keyword, annotated, in_text, header, Endpoint, Below, Holder().method]


def added(endpoint: Any) -> Router:
    router = Router()
    router.add_websocket_route("/", endpoint)
    return router


def appended(endpoint: Any) -> Router:
    router = Router()
    router.routes.append(WebSocketRoute("/", endpoint))
    return router


def included(endpoint: Any) -> Router:
    router = Router()
    router.include_router(fastapi.APIRouter(routes=[WebSocketRoute("/", endpoint)]), prefix="/x")
    return router


def mounted(endpoint: Any) -> Router:
    router = Router()
    router.mount("/x", Starlette(routes=[Host("h", Router([Mount("/y", routes=[WebSocketRoute("/", endpoint)])]))]))
    return router


FORMS = [added, appended, included, mounted, lambda endpoint: Router([WebSocketRoute("/", endpoint)])]


@pytest.mark.parametrize("endpoint", ENDPOINTS)
@pytest.mark.parametrize("form", FORMS)
def test_an_endpoint_of_starlette_with_markers_is_refused(form: Callable[[Any], Router], endpoint: Any) -> None:
    problem = r"test_starlette_routes.*parameter 'user': (Depends\(guard\)|Header\(\)) is never read, .*WebSocketRoute"
    with pytest.raises(
        DeclarationError, match=problem + r" calls the endpoint; write APIWebSocketRoute\(path, endpoint\)"
    ):
        form(endpoint)


def test_an_http_endpoint_with_markers_is_refused() -> None:
    async def page(request: Request, user: str = Depends(guard)) -> PlainTextResponse: ...

    class Page(HTTPEndpoint):
        async def get(self, request: Request, user: str = Depends(guard)) -> PlainTextResponse: ...

    for endpoint in (page, Page):
        with pytest.raises(DeclarationError, match=r"Starlette's Route calls the endpoint; leave it to FastAPI"):
            Router().add_route("/", endpoint)


def decorated(function: Any) -> Any:
    @functools.wraps(function)
    async def wrapper(websocket: WebSocket) -> None:
        await function(websocket, user="ann")

    return wrapper


async def plain(websocket: WebSocket, user: str = "ann", *, n: int = 1) -> None: ...
async def without_default(websocket: WebSocket, user: Annotated[str, Depends(guard)]) -> None: ...


class PlainEndpoint(WebSocketEndpoint):
    encoding = "text"

    async def on_connect(self, websocket: WebSocket, user: str = "ann") -> None: ...


class Application:
    async def __call__(self, scope: Any, receive: Any, send: Any, user: str = Depends(guard)) -> None: ...


class Reads(WebSocketRoute):
    """A route of a user, which may read what it likes."""


@pytest.mark.parametrize(
    "route",
    [
        WebSocketRoute("/", plain),
        WebSocketRoute("/", without_default),  # the call fails
        WebSocketRoute("/", decorated(by_default)),
        WebSocketRoute("/", functools.partial(plain, user="x")),
        WebSocketRoute("/", PlainEndpoint),
        WebSocketRoute("/", Application()),
        Reads("/", by_default),
        APIWebSocketRoute("/", by_default),
        fastapi.routing.APIWebSocketRoute("/", by_default),
        Mount("/", Application()),
    ],
    ids=range(10),
)
def test_other_routes_are_taken(route: BaseRoute) -> None:
    assert Router([route]).routes == [route]


class LazyApplication(Application):
    def __getattr__(self, name: str) -> Any:
        raise LookupError("the settings are not there yet")


async def with_another_signature(websocket: WebSocket, user: str = "ann") -> None: ...


with_another_signature.__signature__ = "none"  # type: ignore[attr-defined]


def test_what_is_no_application_of_starlette_is_asked_for_nothing() -> None:
    for route in (Mount("/", LazyApplication()), WebSocketRoute("/", with_another_signature)):
        assert Router([route]).routes == [route]


def test_an_application_may_be_mounted_below_itself() -> None:
    app = Starlette()
    app.mount("/x", app)
    Router([Mount("/", app)])
    app.router.routes.append(WebSocketRoute("/", by_default))
    with pytest.raises(DeclarationError, match="is never read"):
        Router([Mount("/", app)])
