"""The scope kernel against the installed Starlette."""

from collections import ChainMap, UserDict
from collections.abc import Callable, Mapping, MutableMapping
from types import MappingProxyType
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


@pytest.mark.parametrize("make", [*SCOPES, Scope])
@pytest.mark.parametrize("existing", PATH_PARAMS)
def test_child_scope(existing: Any, make: Callable[[dict[str, Any]], Any]) -> None:
    endpoint, route = object(), object()
    scope = make({"path_params": existing, "other": 1})
    before = dict(scope), dict(existing)
    params = {"a": "new", "c": 3}
    child = selector.child_scope(scope, params, endpoint, route)
    assert child == {"endpoint": endpoint, "path_params": {**dict(existing), **params}, "route": route}
    assert list(child) == ["endpoint", "path_params", "route"]
    assert list(child["path_params"]) == list({**dict(existing), **params})
    assert type(child["path_params"]) is dict
    assert (dict(scope), dict(existing)) == before
    assert params == {"a": "new", "c": 3}
    assert child["endpoint"] is endpoint
    assert child["route"] is route


@pytest.mark.parametrize("scope", [{}, {"path_params": {}}, {"path_params": {"a": 1}}])
@pytest.mark.parametrize("params", [{}, {"b": 2}])
def test_no_dict_is_handed_out_twice(scope: dict[str, Any], params: dict[str, Any]) -> None:
    first = selector.child_scope(scope, dict(params), None, None)
    second = selector.child_scope(scope, dict(params), None, None)
    assert first == second
    assert first is not second
    assert first["path_params"] is not second["path_params"]
    assert first["path_params"] is not scope.get("path_params")


@pytest.mark.parametrize("existing", [None, 1])
def test_path_params_that_are_none_are_the_error_of_starlette(existing: Any) -> None:
    with pytest.raises(TypeError):
        selector.child_scope({"path_params": existing}, {}, None, None)


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
