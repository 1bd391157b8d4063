"""From a scope to the path that routes match, and from a match to the child scope (pure twin)."""

from collections.abc import Mapping
from typing import Any

__all__ = ["child_scope", "route_path"]


def route_path(scope: Mapping[str, Any], /) -> str:
    """The path below `root_path`, as `starlette._utils.get_route_path` gives it.

    Args:
        scope: any ASGI scope with a path.

    Raises:
        KeyError: the scope has no path.
    """
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    if not root_path or not path.startswith(root_path):
        return path
    if path == root_path:
        return ""
    if path[len(root_path)] == "/":
        return path[len(root_path) :]
    return path


def child_scope(scope: Mapping[str, Any], params: dict[str, Any], endpoint: Any, route: Any, /) -> dict[str, Any]:
    """The entries that a match adds to a scope: `endpoint`, `path_params` and `route`.

    Args:
        scope: any ASGI scope; it is not changed.
        params: of this match, merged over the `path_params` that the scope has from a mount. The caller gives the
            dict away: if the scope has none, `params` itself becomes the `path_params`.
        endpoint: of the route.
        route: the route that matches.

    Returns:
        A new dict. Its `path_params` are in a dict that no other answer shares.
    """
    if "path_params" in scope:
        merged = dict(scope["path_params"])
        merged.update(params)
        params = merged
    return {"endpoint": endpoint, "path_params": params, "route": route}
