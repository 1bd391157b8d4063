"""Generated tables of routes with parameters, mounts and hosts, and paths for them."""

import re
from typing import Any

from hypothesis import strategies as st
from starlette.routing import BaseRoute, Host, Mount, Route, Router, WebSocketRoute
from starlette.types import Receive, Scope, Send
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, Depends

__all__ = ["any_tables", "anybody", "page", "paths_of", "socket", "socket_route", "templates"]


def anybody() -> None: ...


async def page(request: Any) -> Any: ...


async def socket(websocket: WebSocket) -> None: ...


class Anything:
    """An ASGI application, which a Route asks whatever the method is."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None: ...


def socket_route(path: str) -> APIWebSocketRoute:
    return APIWebSocketRoute(path, socket, dependencies=[Depends(anybody)])


LITERALS = st.sampled_from(["/", "/a", "/b", "/a/", "-", "1", "/1"])
KINDS = st.sampled_from(["", ":int", ":float", ":path"])


@st.composite
def templates(draw: st.DrawFn) -> str:
    pieces = [f"{draw(LITERALS)}{{p{index}{draw(KINDS)}}}" for index in range(draw(st.integers(0, 2)))]
    end = draw(LITERALS) if not pieces or draw(st.booleans()) else ""
    return ("" if pieces and pieces[0].startswith("/") else "/") + "".join(pieces) + end


def leaves() -> st.SearchStrategy[BaseRoute]:
    methods = st.lists(st.sampled_from(["GET", "POST"]), min_size=1, max_size=2, unique=True)
    return st.one_of(
        st.builds(lambda path, methods: Route(path, page, methods=methods), templates(), methods),
        st.builds(lambda path: Route(path, Anything()), templates()),
        st.builds(lambda path: WebSocketRoute(path, socket), templates()),
        st.builds(socket_route, templates()),
    )


def branches(routes: st.SearchStrategy[list[BaseRoute]]) -> st.SearchStrategy[BaseRoute]:
    return st.one_of(
        st.builds(lambda path, routes: Mount(path, routes=routes), st.sampled_from(["", "/a", "/{m}"]), routes),
        st.builds(
            lambda host, routes: Host(host, Router(routes)), st.sampled_from(["{h}.org", "a.org", "{h}", "b"]), routes
        ),
    )


def any_tables() -> st.SearchStrategy[list[BaseRoute]]:
    return st.recursive(
        st.lists(leaves(), min_size=2, max_size=6),
        lambda routes: st.lists(st.one_of(leaves(), branches(routes)), min_size=2, max_size=6),
        max_leaves=4,
    )


def paths_of(route: Any, below: str) -> st.SearchStrategy[str]:
    """Paths that a route matches; what is below a mount is given."""
    if isinstance(route, Host):
        return st.sampled_from(["/", "/a", "/b/1", ""])
    pattern = route.path_regex.pattern.replace("^", r"\A", 1)
    if isinstance(route, Mount):
        pattern = pattern.replace("/(?P<path>.*)$", below)
    return st.from_regex(re.compile(pattern))
