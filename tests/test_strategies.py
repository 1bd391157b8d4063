"""The strategies for users: Starlette accepts their examples, and these reach every special case."""

from collections.abc import Iterator
from typing import Any

import pytest
from asgi import request
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from starlette.convertors import CONVERTOR_TYPES, Convertor
from starlette.routing import BaseRoute, Mount, Route, Router, WebSocketRoute, compile_path
from websocket_client import connect, websocket_scope

from fastroute import APIWebSocketRoute, strategies
from fastroute.strategies import path_templates, paths, route_tables


@given(path_templates())
def test_templates_are_accepted(template: str) -> None:
    compile_path(template)
    assert template.startswith("/")


def test_braces_that_make_no_template_are_not_drawn() -> None:
    assert strategies._is_accepted("/{a}{b")
    assert not strategies._is_accepted("/{a}{a}")
    assert not strategies._is_accepted("/{a:b}")


def drawn(strategy: st.SearchStrategy[Any], condition: Any) -> Any:
    return find(strategy, condition, settings=settings(max_examples=5_000, database=None, phases=[Phase.generate]))


def found(strategy: st.SearchStrategy[Any], condition: Any) -> bool:
    try:
        drawn(strategy, condition)
    except NoSuchExample:
        return False
    return True


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(CONVERTOR_TYPES))
def test_templates_have_every_convertor(kind: str) -> None:
    assert found(path_templates(), lambda template: f":{kind}}}" in template)


@pytest.mark.slow
@pytest.mark.parametrize("part", ["}{", "\n", "\0", "\ud800", "\U0001f600", "{}", "//", "\\d"])
def test_templates_have_what_is_mistaken(part: str) -> None:
    assert found(path_templates(), lambda template: part in template)


TEMPLATES = [
    "/",
    "/a",
    "/{p}",
    "/{p:path}",
    "/{p:int}",
    "/{p:float}",
    "/{p:uuid}",
    "/{p}-{q}",
    "/{p:int}{q:float}",
    "/{p:path}/x/{q:path}",
    "host.{p}",
    "/\ue000{p}\ue000",
]


@pytest.mark.parametrize("template", TEMPLATES)
def test_paths_match_and_miss(template: str) -> None:
    path_regex = compile_path(template)[0]
    assert found(paths(template), path_regex.match)
    assert found(paths(template), lambda path: not path_regex.match(path))


@pytest.mark.slow
@pytest.mark.parametrize("template", TEMPLATES[2:])
def test_many_paths_match(template: str) -> None:
    path_regex = compile_path(template)[0]
    matched: list[bool] = []

    @settings(max_examples=200, database=None)
    @given(paths(template))
    def draw(path: str) -> None:
        matched.append(path_regex.match(path) is not None)

    draw()
    assert sum(matched) / len(matched) > 0.2


@pytest.mark.slow
@pytest.mark.parametrize("character", ["\n", "\0", "\ud800", "\U0001f600", "\u0661", "\xb2", "?"])
def test_paths_have_what_is_mistaken(character: str) -> None:
    assert found(paths("/{a}/{b:int}"), lambda path: character in path)


def test_paths_have_the_characters_of_the_template() -> None:
    assert found(paths("/{a}\u2603{b}"), lambda path: path.count("\u2603") > 2)


@pytest.fixture
def upper() -> Iterator[None]:
    class Upper(Convertor[str]):
        regex = "[A-Z]{3}"

        def convert(self, value: str) -> str:
            return value

        def to_string(self, value: str) -> str:
            return value

    CONVERTOR_TYPES["upper"] = Upper()
    yield
    del CONVERTOR_TYPES["upper"]


@pytest.mark.usefixtures("upper")
def test_a_custom_convertor_is_drawn_and_matched() -> None:
    assert found(path_templates(), lambda template: ":upper}" in template)
    assert found(paths("/{a:upper}"), compile_path("/{a:upper}")[0].match)


def test_an_unknown_convertor_is_an_error() -> None:
    with pytest.raises(KeyError, match="nope"):
        paths("/{a:nope}")


@settings(max_examples=50)
@given(route_tables(max_size=5))
def test_tables_can_be_routed(table: list[BaseRoute]) -> None:
    assert 1 <= len(table) <= 5
    Router(routes=table)


@pytest.mark.parametrize("kind", [APIWebSocketRoute, WebSocketRoute, Route, Mount])
def test_tables_have_every_kind_of_route(kind: type[BaseRoute]) -> None:
    assert found(route_tables(), lambda table: any(type(route) is kind for route in table))


def drawn_endpoint(kind: type[BaseRoute]) -> Any:
    table = drawn(route_tables(), lambda table: any(type(route) is kind for route in table))
    return next(route.endpoint for route in table if type(route) is kind)  # type: ignore[attr-defined]


def test_the_drawn_routes_answer() -> None:
    assert request(Router([Route("/a", drawn_endpoint(Route))]), "/a") == (200, "/a")
    router = Router([WebSocketRoute("/a", drawn_endpoint(WebSocketRoute))])
    messages = connect(router, websocket_scope("/a"))
    assert [message["type"] for message in messages] == ["websocket.accept", "websocket.close"]


def test_tables_overlap() -> None:
    def overlaps(table: list[Any]) -> bool:
        scope = {"type": "websocket", "path": "/a"}
        return sum(route.matches(scope)[0].value == 2 for route in table) > 1

    assert found(route_tables(), overlaps)
