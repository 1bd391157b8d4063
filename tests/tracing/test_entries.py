"""The routes of an application as a tree."""

from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI
from starlette.applications import Starlette
from starlette.middleware.gzip import GZipMiddleware
from starlette.routing import BaseRoute, Host, Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute
from fastroute.tracing.entries import Entry, entries, routes_of, walk


async def _endpoint(connection: Any) -> None: ...


def _outline(tree: list[Entry]) -> list[tuple[str, str]]:
    return [(entry.kind, entry.path) for entry in walk(tree)]


def test_routes_below_middleware() -> None:
    routes: list[BaseRoute] = [Route("/a", _endpoint)]
    wrapped = GZipMiddleware(GZipMiddleware(Starlette(routes=routes)))
    assert routes_of(wrapped) == routes
    assert routes_of(GZipMiddleware(_endpoint)) is None
    assert _outline(entries(Starlette(routes=[Mount("/m", wrapped)]))) == [("mount", "/m"), ("http", "/a")]


def test_a_tree_of_starlette_routes() -> None:
    class Custom(BaseRoute): ...

    inner = Starlette(routes=[WebSocketRoute("/ws", _endpoint)])
    tree = entries(
        Starlette(
            routes=[
                Route("/a/{b:int}", _endpoint, methods=["POST", "GET"], name="first"),
                Mount("/m", inner),
                Host("{tenant}.example.org", inner),
                Custom(),
            ]
        )
    )
    assert _outline(tree) == [
        ("http", "/a/{b:int}"),
        ("mount", "/m"),
        ("websocket", "/ws"),
        ("host", "{tenant}.example.org"),
        ("websocket", "/ws"),
        ("other", ""),
    ]
    assert (tree[0].name, tree[0].methods, tree[0].endpoint) == ("first", ["GET", "HEAD", "POST"], _endpoint)


def test_an_application_mounted_in_itself() -> None:
    app = Starlette(routes=[Route("/a", _endpoint)])
    app.mount("/self", app)
    assert _outline(entries(app)) == [("http", "/a"), ("mount", "/self")]


def test_included_routers_of_fastapi(tmp_path: Path) -> None:
    app, outer, inner = FastAPI(openapi_url=None), APIRouter(prefix="/outer"), APIRouter()
    inner.add_api_route("/http/{x}", _endpoint, name="deep", methods=["PUT"])
    inner.add_api_websocket_route("/ws", _endpoint)
    inner.mount("/files", Starlette())
    outer.include_router(inner, prefix="/inner")
    app.include_router(outer, prefix="/v1")
    app.frontend("/", directory=str(tmp_path))
    tree = entries(app)
    # What FastAPI does with an included router differs between its releases; what is reachable where does not.
    assert [line for line in _outline(tree) if line[0] != "included"] == [
        ("http", "/v1/outer/inner/http/{x}"),
        ("websocket", "/v1/outer/inner/ws"),
        ("mount", "/v1/outer/inner/files"),
        ("frontend", ""),
    ]
    deep = next(entry for entry in walk(tree) if entry.kind == "http")
    assert (deep.name, deep.methods, deep.endpoint) == ("deep", ["PUT"], _endpoint)


def test_our_route_that_fastapi_includes_has_its_own_endpoint() -> None:
    async def talk(websocket: WebSocket) -> None: ...

    router, app = APIRouter(), FastAPI(openapi_url=None)
    router.routes.append(APIWebSocketRoute("/talk", talk))
    app.include_router(router, prefix="/in")
    [entry] = [entry for entry in walk(entries(app)) if entry.kind == "websocket"]
    assert (entry.path, entry.endpoint) == ("/in/talk", talk)
