"""Both twins of the kernels that match, against each other and against Starlette, on generated input.

The profile `ci` draws the same examples in every run; FASTROUTE_HYPOTHESIS_PROFILE=long draws many others.
"""

import itertools
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette._utils import get_route_path
from starlette.routing import Match, WebSocketRoute, compile_path
from starlette.websockets import WebSocket

import fastroute
from fastroute.commands import fuzz
from fastroute.commands.fuzz import cases, compare
from fastroute.matching import implementation as selector
from fastroute.strategies import path_templates, paths

TEMPLATES = path_templates()
KEYS = st.sampled_from(["a", "b", "p0", "p1"])
PARAMS = st.dictionaries(KEYS, st.integers() | st.text(max_size=3), max_size=3)


@contextmanager
def digits_limited_to(limit: int) -> Iterator[None]:
    before = sys.get_int_max_str_digits()
    sys.set_int_max_str_digits(limit)
    try:
        yield
    finally:
        sys.set_int_max_str_digits(before)


@pytest.mark.slow
@settings(max_examples=max(500, settings().max_examples))  # a hundred seldom include an ambiguous one
@given(cases(TEMPLATES))
def test_match(case: tuple[str, list[str]]) -> None:
    compare(*case)


@pytest.mark.slow
def test_match_every_small_case() -> None:
    """All templates of up to three parts that can end in several places, and all paths of up to four characters."""
    pieces = ["{p:float}", "{p:int}", "{p}", "{p:path}", "1", "."]
    small = ["/" + "".join(path) for size in range(5) for path in itertools.product("1.a/\n", repeat=size)]
    for size in (1, 2, 3):
        for drawn in itertools.product(pieces, repeat=size):
            named = (piece.replace("p", f"p{place}", 1) for place, piece in enumerate(drawn))
            compare("/" + "".join(named), small)


@pytest.mark.slow
@given(st.data())
def test_match_long_paths(data: st.DataObject) -> None:
    """Too long for `re` to go back over in the pure twin, and for the stack of the compiled one."""
    template = data.draw(TEMPLATES)
    path = data.draw(paths(template))
    cut, end = data.draw(st.integers(0, len(path))), data.draw(st.integers(0, len(path)))
    times = data.draw(st.integers(1, 2_000 // (len(path) + 1) + 1))
    compare(template, [path[:cut] + path[cut:end] * times + path[end:]])


@given(st.data(), st.text("01", min_size=1, max_size=3))
def test_match_ints_about_the_limit(data: st.DataObject, digits: str) -> None:
    template = data.draw(
        st.sampled_from(["/{a:int}", "/{a:int}/{b}", "/{a:int}{b:int}", "/{a}{b:int}", "/{a:int}-{b:int}"])
    )
    path = data.draw(paths(template))
    place = data.draw(st.integers(0, len(path)))
    size = data.draw(st.integers(210, 645))
    with digits_limited_to(640):
        compare(template, [path[:place] + digits * size + path[place:]])


@pytest.mark.twins
@given(TEMPLATES)
def test_attributes(template: str) -> None:
    path_regex, path_format, param_convertors = compile_path(template)
    matcher = fastroute.PathMatcher(template)
    assert matcher.path == template
    assert matcher.path_format == path_format
    assert matcher.path_regex == path_regex
    assert list(matcher.param_convertors.items()) == list(param_convertors.items())


@st.composite
def scopes(draw: st.DrawFn, template: str) -> dict[str, Any]:
    """Scopes of a connection to a path that matches or nearly does, below a mount or not, with or without params."""
    root_path = draw(st.sampled_from(["", "/", "/m", "/m/", "/\n", "m"]))
    path = draw(paths(template))
    scope: dict[str, Any] = {"type": draw(st.sampled_from(["websocket", "websocket", "http", "lifespan"]))}
    scope["path"] = draw(st.sampled_from([root_path + path, path, root_path]))
    optional = {"root_path": root_path, "path_params": draw(PARAMS), "method": "GET"}
    return scope | {key: value for key, value in optional.items() if draw(st.booleans())}


@pytest.mark.twins
@given(scopes("/{a:path}"))
def test_route_path(scope: dict[str, Any]) -> None:
    assert selector.route_path(scope) == get_route_path(scope)


async def endpoint(websocket: WebSocket) -> None:
    await websocket.close()


@pytest.mark.slow
@pytest.mark.twins
@given(st.data())
def test_matches(data: st.DataObject) -> None:
    template = data.draw(TEMPLATES)
    scope = data.draw(scopes(template))
    before = repr(scope)
    expected_match, expected = WebSocketRoute(template, endpoint).matches(scope)
    route = fastroute.APIWebSocketRoute(template, endpoint)
    match, child = route.matches(scope)
    assert repr(scope) == before
    assert match == expected_match
    if match is Match.NONE:
        assert child == {}
    else:
        assert repr(child["path_params"]) == repr(expected["path_params"])
        assert child["endpoint"] is endpoint
        assert child["route"] is route


def test_the_twins_that_are_compared_are_two() -> None:
    """The suite swaps the twins in every module that names them, except in the comparison."""
    modules = {name: twin.__module__ for name, twin in fuzz.twins().items()}
    assert modules["pure"] == "fastroute.matching.matcher_py"
    assert modules.get("compiled", "fastroute.matching.matcher_c") == "fastroute.matching.matcher_c"
