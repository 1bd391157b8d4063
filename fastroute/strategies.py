"""Hypothesis strategies for path templates, for paths that match them or nearly do, and for tables of routes.

They come with the extra `fastroute[fuzz]`. To compare the routes of your own application with Starlette's:

    @given(st.data())
    def test_my_routes(data):
        route = data.draw(st.sampled_from([route for route in app.routes if isinstance(route, APIWebSocketRoute)]))
        scope = {"type": "websocket", "path": data.draw(paths(route.path))}
        assert route.matches(scope)[0] == WebSocketRoute(route.path, print).matches(scope)[0]

The alphabets hold characters that matchers get wrong: newlines (`$` stands before a final one, a `str` crosses them, a
`path` does not), NUL, lone surrogates, astral characters, digits that are not ASCII, regex syntax, slashes in a row.
"""

from collections.abc import Callable

from hypothesis import strategies as st
from starlette.convertors import (
    CONVERTOR_TYPES,
    FloatConvertor,
    IntegerConvertor,
    PathConvertor,
    StringConvertor,
    UUIDConvertor,
)
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route, WebSocketRoute, compile_path
from starlette.websockets import WebSocket

from .matching.template import parts
from .routing import APIWebSocketRoute

__all__ = ["path_templates", "paths", "route_tables"]

# Simplest first: this is the order in which hypothesis makes an example smaller.
_CHARACTERS = [
    *"a1/-.b0_9AfFxZ",
    *"\n\r\0 ?%*+^$()[]{}|\\~:",
    "\x01",
    "\x85",
    "\xb2",  # superscript two: a digit for isdigit() alone
    "\xe9",
    "\xff",
    "\u0661",  # Arabic-Indic one: a digit for int(), but not for [0-9]
    "\u2028",
    "\uff11",  # fullwidth one
    "\ud800",
    "\udfff",
    "\U0001d7d9",  # double-struck one
    "\U0001f600",
]
# Text that can stand inside a value too is listed twice: there a matcher has a choice.
_LITERALS = [
    *["/", "-", ".", "a", "1", ".5", "5", "-", ".", "1", "/"],
    *["/a", "/x/", "v", "_", "--", "a/", "//", "0f", "15", "?", "%2F"],
    *["\n", "\0", "{", "}", "{}", "{1a}", "{a", "(", "[a-z]", "\\d", "$", "^", "+", "\xe9", "\ud800", "\U0001f600"],
]
_HEXADECIMAL = "0123456789abcdefABCDEF"


def path_templates() -> st.SearchStrategy[str]:
    """Any template that Starlette accepts for a route, of the convertors registered when one is drawn."""
    return _templates().filter(_is_accepted)


def paths(template: str) -> st.SearchStrategy[str]:
    """Paths that match a template, and paths that nearly do.

    Args:
        template: the path of a route, a mount or a host; its convertors must be registered.

    Returns:
        A strategy of route paths. Most match, or differ in one place from a path that does; the rest are made from
        the template's own characters and from characters that are easily mistaken.

    Raises:
        KeyError: a convertor of the template is not registered.
    """
    found = parts(template)
    literals = "".join(word for word, convertor, _ in found if convertor is None)
    return _paths(literals, [word if convertor is None else _draw_of(convertor) for word, convertor, _ in found])


def route_tables(max_size: int = 12) -> st.SearchStrategy[list[BaseRoute]]:
    """Tables of routes whose paths overlap: Starlette's routes and mounts, and WebSocket routes of this package.

    Args:
        max_size: the greatest number of routes at the top of a table.

    Returns:
        A strategy of lists that `Starlette(routes=...)` and `Router(routes=...)` take.
    """
    return st.lists(_routes() | _mounts(), min_size=1, max_size=max_size)


_CHOICES = st.lists(st.tuples(st.booleans(), st.integers(0, 10_000)), max_size=7)


@st.composite
def _templates(draw: st.DrawFn) -> str:
    params = ["{p}", *(f"{{p:{name}}}" for name in CONVERTOR_TYPES)]
    drawn = ((_LITERALS, number) if is_literal else (params, number) for is_literal, number in draw(_CHOICES))
    return _numbered("/" + "".join(choices[number % len(choices)] for choices, number in drawn))


def _numbered(template: str) -> str:
    """Parameters are all drawn with the name p; here the first becomes p0, the second p1."""
    first, *rest = template.split("{p")
    return first + "".join(f"{{p{number}{part}" for number, part in enumerate(rest))


def _is_accepted(template: str) -> bool:
    """False if literal braces happened to make a parameter with a name that is taken or with an unknown convertor."""
    try:
        compile_path(template)
    except (AssertionError, ValueError):
        return False
    return True


# The strategies that are used below are made once: making one for each draw takes longer than the draw.
_SHAPES = st.sampled_from(["matching", "matching", "edited", "edited", "newline", "text", "/text"])
_NUMBERS = st.lists(st.integers(0, 199), max_size=12)
_POSITIONS = st.integers(0, 60)
_MISTAKEN = st.sampled_from(["", "1", "/", "\n", "\u0661", "\uff11"])
_REMOVED = st.sampled_from([0, 1, -1, 60])
_LARGE = st.sampled_from(
    [str(2**bits + off) for bits in (31, 32, 53, 63, 64, 128) for off in (-1, 0)] + ["9" * 18, "9" * 20]
)
_DIGITS = st.text("15", min_size=1, max_size=2) | st.text("0157", min_size=1, max_size=25) | _LARGE
_FRACTIONS = st.just("") | _DIGITS.map(".{}".format)
_UUIDS = st.tuples(*(st.text(_HEXADECIMAL, min_size=size, max_size=size) for size in (8, 4, 4, 4, 12)))
_DASHES = st.tuples(*[st.sampled_from(["-", ""])] * 4)

_Draw = Callable[[st.DrawFn, str], str]


@st.composite
def _paths(draw: st.DrawFn, literals: str, drawn: list[str | _Draw]) -> str:
    """A path from the literals of a template and from a value drawn for each of its parameters."""
    shape = draw(_SHAPES)
    if shape.endswith("text"):
        return shape.removesuffix("text") + _draw_text(draw, literals)
    path = "".join(part if isinstance(part, str) else part(draw, literals) for part in drawn)
    if shape == "newline":
        path += "\n"
    elif shape == "edited":
        position = draw(_POSITIONS) % (len(path) + 1)
        inserted = draw(_MISTAKEN) or _draw_text(draw, literals)[:1]
        path = path[:position] + inserted + path[position + draw(_REMOVED) :]
    return path


def _draw_text(draw: st.DrawFn, literals: str) -> str:
    """Half of the characters are from the template's literals: there its parameters can end."""
    numbers = (divmod(number, 2) for number in draw(_NUMBERS))
    return "".join(
        _CHARACTERS[number % len(_CHARACTERS)] if odd or not literals else literals[number % len(literals)]
        for number, odd in numbers
    )


def _draw_str(draw: st.DrawFn, literals: str) -> str:
    return _draw_text(draw, literals).replace("/", "") or "a"


def _draw_path(draw: st.DrawFn, literals: str) -> str:
    return _draw_text(draw, literals).replace("\n", "")


def _draw_int(draw: st.DrawFn, literals: str) -> str:
    return draw(_DIGITS)


def _draw_float(draw: st.DrawFn, literals: str) -> str:
    return draw(_DIGITS) + draw(_FRACTIONS)


def _draw_uuid(draw: st.DrawFn, literals: str) -> str:
    return "".join(group + dash for group, dash in zip(draw(_UUIDS), (*draw(_DASHES), ""), strict=True))


def _draw_of(convertor_name: str) -> _Draw:
    regex = CONVERTOR_TYPES[convertor_name].regex
    return _DRAWS.get(regex) or _draw_regex(regex)


def _draw_regex(regex: str) -> _Draw:
    values = st.from_regex(regex, fullmatch=True)
    return lambda draw, literals: draw(values)


# By the text of the regex: another convertor may have taken over a name.
_DRAWS: dict[str, _Draw] = {
    StringConvertor.regex: _draw_str,
    PathConvertor.regex: _draw_path,
    IntegerConvertor.regex: _draw_int,
    FloatConvertor.regex: _draw_float,
    UUIDConvertor.regex: _draw_uuid,
}


def _table_paths() -> st.SearchStrategy[str]:
    # Few segments in few shapes, so that one path often matches several routes.
    segments = st.sampled_from(["a", "b", "{p}", "{p:int}", "{p:path}", "{p:uuid}", "{p}-{p}", "v{p:float}", "a\n", ""])
    return st.lists(segments, min_size=1, max_size=3).map(lambda drawn: _numbered("/" + "/".join(drawn)))


def _routes() -> st.SearchStrategy[BaseRoute]:
    path = _table_paths() | path_templates()
    methods = st.sampled_from([["GET"], ["POST"], ["GET", "POST"]])
    return st.one_of(
        st.builds(APIWebSocketRoute, path, st.just(_websocket_endpoint)),
        st.builds(WebSocketRoute, path, st.just(_websocket_endpoint)),
        st.builds(Route, path, st.just(_http_endpoint), methods=methods),
    )


def _mounts() -> st.SearchStrategy[BaseRoute]:
    return st.builds(Mount, st.just("") | _table_paths(), routes=st.lists(_routes(), max_size=3))


async def _websocket_endpoint(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close()


async def _http_endpoint(request: Request) -> Response:
    return PlainTextResponse(request.url.path)
