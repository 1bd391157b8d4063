"""Dependencies, policies and wrappers that would be lost: without effect on a route, or dropped by include_router()."""

import copy
import pickle
from collections.abc import Callable
from typing import Any

import fastapi
import pytest
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from fastroute import APIWebSocketRoute, ConnectionPolicy, DeclarationError, Depends, Router, Security


async def guard() -> None:
    raise HTTPException(401)


async def chat(websocket: WebSocket) -> None:
    await websocket.accept()


def route(**given: Any) -> APIWebSocketRoute:
    return APIWebSocketRoute("/", chat, **given)


CHANGES: dict[str, Callable[[Any], Any]] = {
    "append": lambda markers: markers.append(Depends(guard)),
    "extend": lambda markers: markers.extend([Depends(guard)]),
    "insert": lambda markers: markers.insert(0, Depends(guard)),
    "clear": lambda markers: markers.clear(),
    "pop": lambda markers: markers.pop(),
    "remove": lambda markers: markers.remove(markers[0]),
    "slice": lambda markers: markers.__setitem__(slice(None), []),
    "delete": lambda markers: markers.__delitem__(0),
    "+=": lambda markers: markers.__iadd__([Depends(guard)]),
    "*=": lambda markers: markers.__imul__(2),
    "reverse": lambda markers: markers.reverse(),
    "sort": lambda markers: markers.sort(key=id),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_the_dependencies_of_a_route_cannot_be_changed(change: Callable[[Any], Any]) -> None:
    marker = Depends(guard)
    made = route(dependencies=[marker])
    with pytest.raises(TypeError, match="give dependencies= to the constructor"):
        change(made.dependencies)
    assert made.dependencies == [marker]
    for twin in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        with pytest.raises(TypeError, match="give dependencies="):
            change(twin.dependencies)
        with pytest.raises(TypeError, match="give dependencies="):
            change(twin.dependant.dependencies)


@pytest.mark.parametrize("name", ["dependencies", "policy"])
def test_attributes_of_a_route_are_given_once(name: str) -> None:
    made = route()
    with pytest.raises(AttributeError, match=rf"APIWebSocketRoute\.{name} is read .*give {name}= to the constructor"):
        setattr(made, name, None)


@pytest.mark.parametrize("name", ["prefix", "dependencies", "policy"])
def test_attributes_of_a_router_are_given_once(name: str) -> None:
    router = Router()
    before = getattr(router, name)
    with pytest.raises(AttributeError, match=rf"Router\.{name} is read .*give {name}= to the constructor"):
        setattr(router, name, [Depends(guard)])
    assert getattr(router, name) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dependencies", (Depends(guard),)),
        ("policy", ConnectionPolicy(idle_timeout=1)),
        ("prefix", "/admin"),
        ("dependency_overrides_provider", Starlette()),
        ("dependencies", property(lambda router: (Depends(guard),))),
    ],
    ids=range(5),
)
def test_a_subclass_has_no_attribute_that_nobody_reads(name: str, value: Any) -> None:
    with pytest.raises(DeclarationError, match=rf"parameter '{name}': .*write super\(\).__init__\({name}="):
        type("Admin", (Router,), {name: value})
    mixin = type("Mixin", (), {name: value})
    with pytest.raises(DeclarationError, match=rf"parameter '{name}'"):
        type("Admin", (mixin, Router), {})
    assert type("Admin", (Router,), {"other": value})().dependencies == ()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("dependencies", [Depends(guard)]),
        ("dependencies", property(lambda route: [Depends(guard)])),
        ("policy", ConnectionPolicy(origins=["https://example.org"])),
    ],
    ids=range(3),
)
def test_a_subclass_of_the_route_has_no_attribute_that_nobody_reads(name: str, value: Any) -> None:
    for bases in ((APIWebSocketRoute,), (type("Mixin", (), {name: value}), APIWebSocketRoute)):
        with pytest.raises(DeclarationError, match=rf"parameter '{name}': .*write super\(\).__init__\({name}="):
            type("Guarded", bases, {name: value})
    assert type("Guarded", (APIWebSocketRoute,), {"other": value})("/", chat).dependencies == []


class Drops(APIWebSocketRoute):
    def __init__(
        self, path: str, endpoint: Any, name: Any = None, dependencies: Any = None, *, policy: Any = None
    ) -> None:
        super().__init__(path, endpoint, name, policy=policy)


class Two(APIWebSocketRoute):
    def __init__(self, path: str, endpoint: Any) -> None:
        super().__init__(path, endpoint)


class Adds(APIWebSocketRoute):
    def __init__(self, path: str, endpoint: Any, dependencies: Any = ()) -> None:
        super().__init__(path, endpoint, dependencies=[Depends(allowed), *dependencies])


async def allowed() -> None: ...


@pytest.mark.parametrize("cls", [Drops, Two])
def test_a_class_that_drops_the_dependencies_is_refused(cls: Any) -> None:
    inner = Router([cls("/", chat)])
    for outer, given in (
        (Router(dependencies=[Depends(guard)]), {}),
        (Router(), {"dependencies": [Depends(guard)]}),
        (Router(), {"dependencies": [Security(guard, scopes=["a"])]}),
        (Router(), {"dependencies": [fastapi.Depends(guard)]}),
    ):
        with pytest.raises(ValueError, match=rf"{cls.__name__} does not pass on the dependencies .*take `"):
            outer.include_router(inner, "/x", **given)
        assert outer.routes == []


@pytest.mark.parametrize("cls", [Drops, Two, Adds])
def test_a_class_that_drops_nothing_is_included(cls: Any) -> None:
    inner = Router([cls("/", chat)])
    outer = Router(prefix="/x")
    outer.include_router(inner)
    with TestClient(outer).websocket_connect("/x/"):
        pass
    assert type(outer.routes[0]) is cls


def test_a_router_looks_at_the_calls_and_scopes() -> None:
    router = Router(dependencies=[Security(guard, scopes=["a"])])
    router.routes.append(route(dependencies=[Depends(allowed), Security(guard, scopes=["a"])]))
    for given in ([], [Depends(guard)], [Security(guard, scopes=["b"])], [Depends(allowed)]):
        with pytest.raises(ValueError, match="would be open"):
            router.routes.append(route(dependencies=given))
        with pytest.raises(ValueError, match="would be open"):
            router.routes.append(Drops("/", chat, dependencies=router.dependencies))


def wrapped(app: Any) -> Any:
    async def denied(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.close", "code": 4001})

    return denied


class Wraps(APIWebSocketRoute):
    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*arguments, **keywords)
        self.app = wrapped(self.app)


@pytest.mark.parametrize("name", ["app", "handle", "matches"])
@pytest.mark.parametrize("theirs", [False, True])
def test_a_wrapper_put_around_a_route_is_not_lost(name: str, theirs: bool) -> None:
    made: Any = fastapi.routing.APIWebSocketRoute("/", chat) if theirs else route()
    setattr(made, name, wrapped(getattr(made, name)))
    inner, outer = Router([made]), Router()
    with pytest.raises(ValueError, match=rf"has {name} set by hand"):
        outer.include_router(inner, "/x")
    assert outer.routes == []
    outer.include_router(inner)
    assert outer.routes == [made]


def test_a_wrapper_of_the_class_is_made_again() -> None:
    outer = Router(prefix="/x", dependencies=[Depends(allowed)])
    outer.include_router(Router([Wraps("/", chat)]))
    with pytest.raises(WebSocketDisconnect) as raised, TestClient(outer).websocket_connect("/x/"):
        raise AssertionError("let in")
    assert raised.value.code == 4001


def test_attributes_of_ones_own_are_handed_on() -> None:
    made: Any = route()
    made.tags = ["chat"]
    outer = Router(prefix="/x")
    outer.include_router(Router([made]))
    included: Any = outer.routes[0]
    assert included.tags == ["chat"]


# The default application


def text(request: Any) -> PlainTextResponse:
    return PlainTextResponse("text")


async def anything(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "websocket.accept"})


SOCKETS = [anything, Starlette(routes=[route()]), Router([route()]), Starlette(routes=[Mount("/x", anything)])]
NO_SOCKETS = [Starlette(routes=[Route("/", text)]), Router([Mount("/", Router([Route("/", text)]))])]
DEMANDS: list[dict[str, Any]] = [
    {"dependencies": [Depends(guard)]},
    {"policy": ConnectionPolicy(origins=["https://example.org"])},
]


@pytest.mark.parametrize("demand", DEMANDS, ids=["dependencies", "origins"])
@pytest.mark.parametrize("app", SOCKETS, ids=range(4))
def test_no_default_serves_sockets_without_what_the_router_demands(app: Any, demand: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"default=.* would be open: .* without the (dependencies|origins)"):
        Router(default=app, **demand)
    router = Router(**demand)
    with pytest.raises(ValueError, match="would be open"):
        router.default = app
    with pytest.raises(WebSocketDisconnect), TestClient(router).websocket_connect("/missing"):
        raise AssertionError("let in")


@pytest.mark.parametrize("demand", DEMANDS, ids=["dependencies", "origins"])
@pytest.mark.parametrize("app", NO_SOCKETS, ids=range(2))
def test_a_default_without_sockets_answers(app: Any, demand: dict[str, Any]) -> None:
    assert TestClient(Router(default=app, **demand)).get("/").text == "text"


@pytest.mark.parametrize("given", [{}, {"prefix": "/x"}, {"policy": ConnectionPolicy(idle_timeout=1)}], ids=range(3))
def test_a_router_that_demands_nothing_may_have_any_default(given: dict[str, Any]) -> None:
    for app in SOCKETS:
        assert Router(default=app, **given).default is app
