"""Our routes in an APIRouter that FastAPI includes: all of the inclusion and all of the route holds, or it fails."""

from typing import Any

import fastapi
import pytest
from fastapi import APIRouter, FastAPI
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, ConnectionPolicy, Depends, accelerate

_KEEPS_INCLUDED = hasattr(fastapi.routing, "_IncludedRouter")
keeps_included = pytest.mark.skipif(not _KEEPS_INCLUDED, reason="before 0.137 FastAPI copies routes that it includes")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(f"{websocket.path_params} {websocket.scope.get('trace')}")
    await websocket.close()


def noting(name: str) -> Any:
    async def dependency(websocket: WebSocket) -> None:
        websocket.scope["trace"] = [*websocket.scope.get("trace", ()), name]

    return Depends(dependency)


def noting_for_fastapi(name: str) -> Any:
    return fastapi.Depends(noting(name).dependency)


def text(app: Any, path: str, **items: Any) -> Any:
    sent = connect(app, websocket_scope(path, **items))
    return next((message["text"] for message in sent if message["type"] == "websocket.send"), sent)


def tree(route: APIWebSocketRoute) -> FastAPI:
    """The route below two inclusions, once with prefixes that have a parameter and once without any."""
    inner = APIRouter()
    inner.routes.append(route)
    outer = APIRouter(prefix="/outer", dependencies=[noting_for_fastapi("outer")])
    outer.include_router(inner, prefix="/{n}", dependencies=[noting_for_fastapi("of inner")])
    app = FastAPI(dependencies=[noting_for_fastapi("app")])
    app.include_router(outer, dependencies=[noting_for_fastapi("of outer")])
    app.include_router(inner)
    return app


@pytest.mark.skipif(_KEEPS_INCLUDED, reason="since 0.137 FastAPI keeps routes that it includes")
def test_a_fastapi_that_copies_it_is_an_error() -> None:
    with pytest.raises(RuntimeError, match=r"include_router would make a new route of .*leave out its dependencies"):
        tree(APIWebSocketRoute("/room/{x:int}", talk))


@keeps_included
@pytest.mark.parametrize("accelerated", [False, True])
def test_all_dependencies_of_the_inclusions_run_before_those_of_the_route(accelerated: bool) -> None:
    app = tree(APIWebSocketRoute("/room/{x:int}", talk, dependencies=[noting("own")]))
    if accelerated:
        accelerate(app)
    expected = ["app", "of outer", "outer", "of inner", "own"]
    assert text(app, "/outer/7/room/3") == f"{{'n': '7', 'x': 3}} {expected}"
    assert text(app, "/room/4") == "{'x': 4} ['app', 'own']"
    assert text(app, "/outer/7/room/3") == f"{{'n': '7', 'x': 3}} {expected}"


@keeps_included
@pytest.mark.parametrize("accelerated", [False, True])
def test_the_scope_has_the_included_route_and_the_endpoint(accelerated: bool) -> None:
    seen: dict[str, Any] = {}

    async def endpoint(websocket: WebSocket) -> None:
        seen.update(websocket.scope)
        await websocket.close()

    app = tree(APIWebSocketRoute("/room", endpoint, "name"))
    if accelerated:
        accelerate(app)
    text(app, "/outer/7/room")
    assert seen["endpoint"] is endpoint
    assert type(seen["route"]) is APIWebSocketRoute
    assert (seen["route"].path, seen["route"].name) == ("/outer/{n}/room", "name")
    assert app.url_path_for("name", n="1") == "/outer/1/room"


@keeps_included
def test_the_policy_of_the_route_holds() -> None:
    policy = ConnectionPolicy(origins=["https://example.org"])
    app = tree(APIWebSocketRoute("/room", talk, policy=policy))
    assert text(app, "/outer/7/room", headers=[("origin", "https://example.org")]).startswith("{'n': '7'}")
    (refused, *_) = text(app, "/outer/7/room", headers=[("origin", "https://other.example")])
    assert refused["status"] == 403


@keeps_included
def test_overrides_of_the_application_hold() -> None:
    note = noting("own")
    app = tree(APIWebSocketRoute("/room", talk, dependencies=[note]))
    app.dependency_overrides[note.dependency] = noting("another").dependency
    assert text(app, "/room") == "{} ['app', 'another']"


@keeps_included
def test_a_subclass_keeps_its_class() -> None:
    class Own(APIWebSocketRoute):
        """One of somebody else."""

    app = tree(Own("/room", talk))
    seen = websocket_scope("/room")
    connect(app, seen)
    assert type(seen["route"]) is Own


@keeps_included
def test_a_subclass_that_cannot_be_made_again_fails() -> None:
    class Own(APIWebSocketRoute):
        def __init__(self, path: str, endpoint: Any, colour: str) -> None:
            super().__init__(path, endpoint)

    with pytest.raises(ValueError, match="colour is not known"):
        text(tree(Own("/room", talk, "red")), "/room")


@keeps_included
def test_other_routes_of_the_router_answer() -> None:
    router = APIRouter()
    router.routes.append(APIWebSocketRoute("/room", talk))
    router.add_api_websocket_route("/theirs", talk)
    app = FastAPI()
    app.include_router(router, prefix="/in")
    assert text(app, "/in/theirs") == "{} None"


@keeps_included
def test_an_endpoint_that_fastapi_did_not_find_in_an_inclusion_fails() -> None:
    app = tree(APIWebSocketRoute("/room", talk))
    (included, *_) = [route for route in app.routes if hasattr(route, "effective_candidates")][1:]
    (context,) = included.effective_candidates()
    with pytest.raises(RuntimeError, match="does not say with which dependencies"):
        connect(context.starlette_route.app, {**websocket_scope("/room"), "path_params": {}})


@keeps_included
def test_contexts_of_routes_have_the_endpoint() -> None:
    app = FastAPI()
    app.router.routes.append(APIWebSocketRoute("/room", talk))
    assert [context.endpoint for context in fastapi.routing.iter_route_contexts(app.routes)][-1] is talk


@pytest.mark.parametrize("function", ["include_router", "anything"])
def test_a_fastapi_that_reads_the_endpoint_elsewhere_does_not_get_it(function: str) -> None:
    """FastAPI before 0.137 does so in `include_router`, and registers a route without our dependencies."""
    theirs: dict[str, Any] = {"__name__": "fastapi.routing"}
    exec(f"def {function}(route): return route.endpoint", theirs)
    with pytest.raises(RuntimeError, match=r"use app\.router\.routes\.append"):
        theirs[function](APIWebSocketRoute("/room", talk))
