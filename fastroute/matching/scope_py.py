"""From a scope to the path that routes match, and to the answer of a route (pure twin)."""

from collections.abc import Callable, Mapping
from typing import Any

from starlette.routing import Match
from starlette.types import Scope

__all__ = ["RouteMatching", "route_path"]

_FULL, _NONE = Match.FULL, Match.NONE


def route_path(scope: Mapping[str, Any], /) -> str:
    """The path below `root_path`, as `starlette._utils.get_route_path` gives it.

    Args:
        scope: any ASGI scope with a path.

    Raises:
        KeyError: the scope has no path.
    """
    path: str = scope["path"]
    root_path: str | None = scope.get("root_path")
    if not root_path or not path.startswith(root_path):
        return path
    if path == root_path:
        return ""
    if path[len(root_path)] == "/":
        return path[len(root_path) :]
    return path


class RouteMatching:
    """The method `matches` of a route, in one function from the scope to the answer.

    Each object has `_matcher`, a `PathMatcher`, and `_endpoint` in its `__dict__`.
    """

    __slots__ = ()

    _matcher: Any
    _endpoint: Callable[..., Any]

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whether this route answers (`starlette.routing.WebSocketRoute.matches`).

        Args:
            scope: the connection's; it is not changed.

        Returns:
            `Match.FULL` and the items to add to the scope: `endpoint`, `path_params` (those of the scope and the
            converted ones of this path) and `route`; or `Match.NONE` and an empty dict. No two answers share a dict.
        """
        if scope["type"] == "websocket":
            params: dict[str, Any] | None = self._matcher.match(route_path(scope))
            if params is not None:
                if "path_params" in scope:
                    params = {**dict(scope["path_params"]), **params}
                return _FULL, {"endpoint": self._endpoint, "path_params": params, "route": self}
        return _NONE, {}
