"""The scope kernel against the installed Starlette."""

import inspect
import pickle
from collections import ChainMap, UserDict
from collections.abc import Callable, Mapping, MutableMapping
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest
from starlette._utils import get_route_path
from starlette.routing import Match, WebSocketRoute
from starlette.websockets import WebSocket

import fastroute
from fastroute.matching import implementation as selector

pytestmark = pytest.mark.twins

PATHS = [
    ("/a", ""),
    ("/a", None),
    ("/a/b", "/a"),
    ("/a", "/a"),
    ("/a/", "/a"),
    ("/a/", "/a/"),
    ("/a/b", "/a/"),
    ("/ab", "/a"),
    ("/a//b", "/a"),
    ("/b", "/a"),
    ("", ""),
    ("", "/a"),
    ("/", "/"),
    ("/a", "/"),
    ("/a/b", "/a/b/c"),
    ("/\U0001f600/x", "/\U0001f600"),
    ("/\ud800/x", "/\ud800"),
    ("/a\n/b", "/a\n"),
    ("a/b", "a"),
    ("?/a", None),
    ("?/a", "?"),
]

SCOPES: list[Callable[[dict[str, Any]], MutableMapping[str, Any]]] = [dict, UserDict, ChainMap]


class Scope(dict[str, Any]):
    """A dict that is not exactly one."""


@pytest.mark.parametrize("make", [*SCOPES, Scope])
@pytest.mark.parametrize(("path", "root_path"), PATHS)
def test_route_path(path: str, root_path: str | None, make: Callable[[dict[str, Any]], Any]) -> None:
    scope = make({"path": path, "root_path": root_path})
    assert selector.route_path(scope) == get_route_path(scope)


class Path(str):
    """A str that is not exactly one."""

    __slots__ = ()


@pytest.mark.parametrize(("path", "root_path"), PATHS)
def test_a_path_of_a_subclass(path: str, root_path: str | None) -> None:
    for scope in (
        {"path": Path(path), "root_path": root_path},
        {"path": path, "root_path": root_path and Path(root_path)},
    ):
        found, expected = selector.route_path(scope), get_route_path(scope)
        assert (type(found), found) == (type(expected), expected)


@pytest.mark.parametrize("make", [*SCOPES, Scope])
def test_route_path_without_a_root_path(make: Callable[[dict[str, Any]], Any]) -> None:
    path = "/some/path"
    assert selector.route_path(make({"path": path})) is path


@pytest.mark.parametrize("make", [*SCOPES, Scope])
def test_a_scope_without_a_path_is_the_error_of_starlette(make: Callable[[dict[str, Any]], Any]) -> None:
    scope = make({"root_path": "/a"})
    for function in (get_route_path, selector.route_path):
        with pytest.raises(KeyError, match="path"):
            function(scope)


def test_a_get_that_was_overridden_is_called() -> None:
    class Prefixed(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            return "/prefix" if key == "root_path" else super().get(key, default)

    assert selector.route_path(Prefixed(path="/prefix/a")) == "/a"


PATH_PARAMS: list[Any] = [
    {},
    {"a": 1},
    {"a": 1, "b": 2},
    MappingProxyType({"a": 1, "z": 3}),
    UserDict({"a": 1}),
    [("a", 1)],
]


class Answering(SimpleNamespace):
    """A route whose matcher gives these parameters for every path."""

    matches: Callable[..., Any]

    def __init__(self, params: dict[str, Any], endpoint: Any = None) -> None:
        super().__init__(_matcher=SimpleNamespace(match=lambda path: params), _endpoint=endpoint)


def child_scope(scope: Any, route: Answering) -> dict[str, Any]:
    match, child = selector.RouteMatching.matches(route, scope)  # type: ignore[arg-type]  # it has what is needed
    assert match is Match.FULL
    assert isinstance(child, dict)
    return child


@pytest.mark.parametrize("make", [*SCOPES, Scope])
@pytest.mark.parametrize("existing", PATH_PARAMS)
def test_child_scope(existing: Any, make: Callable[[dict[str, Any]], Any]) -> None:
    scope = make({"type": "websocket", "path": "/", "path_params": existing, "other": 1})
    before = dict(scope), dict(existing)
    params = {"a": "new", "c": 3}
    route = Answering(params, endpoint := object())
    child = child_scope(scope, route)
    assert child == {"endpoint": endpoint, "path_params": {**dict(existing), **params}, "route": route}
    assert list(child) == ["endpoint", "path_params", "route"]
    assert list(child["path_params"]) == list({**dict(existing), **params})
    assert type(child["path_params"]) is dict
    assert (dict(scope), dict(existing)) == before
    assert params == {"a": "new", "c": 3}
    assert child["endpoint"] is endpoint
    assert child["route"] is route


@pytest.mark.parametrize("template", ["/", "/{b:int}"])
@pytest.mark.parametrize("more", [{}, {"path_params": {}}, {"path_params": {"a": 1}}])
def test_no_dict_is_handed_out_twice(more: dict[str, Any], template: str) -> None:
    route = fastroute.APIWebSocketRoute(template, endpoint)
    for path in ("/", "/7"):
        scope = {"type": "websocket", "path": path, **more}
        (_, first), (_, second) = route.matches(scope), route.matches(scope)
        assert first == second
        assert first is not second
        assert first.get("path_params", 1) is not second.get("path_params", 2)
        assert first.get("path_params", 1) is not scope.get("path_params", 2)


@pytest.mark.parametrize("existing", [None, 1])
@pytest.mark.parametrize("make", [dict, UserDict])
def test_path_params_that_are_none_are_the_error_of_starlette(existing: Any, make: Any) -> None:
    with pytest.raises(TypeError):
        child_scope(make({"type": "websocket", "path": "/", "path_params": existing}), Answering({}))


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize("kind", ["websocket", Text("websocket"), "".join(["web", "socket"]), "WebSocket", None, b""])
def test_a_scope_type_is_compared_as_a_text(kind: Any) -> None:
    scope = {"type": kind, "path": "/"}
    routes = [cls("/", endpoint) for cls in (WebSocketRoute, fastroute.APIWebSocketRoute)]
    expected, found = (route.matches(scope)[0] for route in routes)
    assert found is expected


def test_matches_is_a_method_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    cls, scope = fastroute.APIWebSocketRoute, {"type": "websocket", "path": "/items/7"}
    assert callable(inspect.getattr_static(cls, "matches"))
    assert list(inspect.signature(cls.matches).parameters) == ["self", "scope"]
    assert cls.matches.__name__ == "matches"
    route = cls("/items/{item:int}", endpoint)
    assert list(inspect.signature(route.matches).parameters) == ["scope"]
    assert route.matches(scope=scope) == route.matches(scope) == cls.matches(route, scope)
    assert route.matches.__self__ is route  # type: ignore[attr-defined]  # of a bound method
    bound = pickle.loads(pickle.dumps(route.matches))
    assert bound(scope)[1]["path_params"] == {"item": 7}
    assert pickle.loads(pickle.dumps(cls.matches)) is cls.matches
    with pytest.raises(TypeError):
        route.matches()  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        route.matches(scope, scope)  # type: ignore[call-arg]

    class Own(cls):  # type: ignore[misc,valid-type]
        def matches(self, scope: Any) -> Any:
            match, child = super().matches(scope)
            return match, {**child, "own": True}

    assert Own("/items/{item:int}", endpoint).matches(scope)[1]["own"] is True
    monkeypatch.setattr(route, "matches", lambda scope: "patched")
    assert route.matches(scope) == "patched"  # type: ignore[comparison-overlap]
    monkeypatch.setattr(cls, "matches", lambda self, scope: "patched class")
    assert cls("/", endpoint).matches(scope) == "patched class"  # type: ignore[comparison-overlap]


async def endpoint(websocket: WebSocket) -> None:
    await websocket.close()


ROUTE_SCOPES: list[Mapping[str, Any]] = [
    {"type": "websocket", "path": "/items/7"},
    {"type": "websocket", "path": "/items/7", "root_path": ""},
    {"type": "websocket", "path": "/api/items/7", "root_path": "/api"},
    {"type": "websocket", "path": "/api/items/7", "root_path": "/other"},
    {"type": "websocket", "path": "/items/7", "root_path": "/items/7"},
    {"type": "websocket", "path": "/items/7\n"},
    {"type": "websocket", "path": "/items/x"},
    {"type": "websocket", "path": "/items/7", "path_params": {"tenant": "t", "item": "old"}},
    {"type": "http", "path": "/items/7", "method": "GET"},
    {"type": "lifespan"},
]


@pytest.mark.parametrize("scope", ROUTE_SCOPES)
def test_matches_is_that_of_starlette(scope: dict[str, Any]) -> None:
    route = fastroute.APIWebSocketRoute("/items/{item:int}", endpoint)
    before = {key: dict(value) if isinstance(value, dict) else value for key, value in scope.items()}
    match, child = route.matches(scope)
    expected_match, expected = WebSocketRoute("/items/{item:int}", endpoint).matches(scope)
    assert match == expected_match
    assert {key: child.get(key) for key in expected} == expected
    assert child.keys() - expected.keys() <= {"route"}
    assert match is Match.NONE or child["route"] is route
    assert scope == before


@pytest.mark.parametrize("scope", [{}, {"type": "websocket"}, {"path": "/items/7"}])
def test_a_missing_key_is_the_error_of_starlette(scope: dict[str, Any]) -> None:
    routes = [
        fastroute.APIWebSocketRoute("/items/{item:int}", endpoint),
        WebSocketRoute("/items/{item:int}", endpoint),
    ]
    errors = []
    for route in routes:
        with pytest.raises(KeyError) as error:
            route.matches(scope)
        errors.append(error.value.args)
    assert errors[0] == errors[1]
