"""From a scope to the path that routes match, and from a match to the child scope (pure twin)."""

from collections.abc import Mapping
from typing import Any

__all__ = ["child_scope", "route_path"]


def route_path(scope: Mapping[str, Any], /) -> str:
    """The path below `root_path`, as `starlette._utils.get_route_path` gives it.

    Takes any ASGI scope with a path. Raises KeyError for one without.
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
    """What a match adds to `scope`, which is left as it is: `endpoint`, `path_params` and `route`.

    The `path_params` are those already in the scope (of a mount) with `params` merged over them. They are in a
    dict that nobody else has: where there are none in the scope it is `params`, which the caller gives away.
    """
    if "path_params" in scope:
        merged = dict(scope["path_params"])
        merged.update(params)
        params = merged
    return {"endpoint": endpoint, "path_params": params, "route": route}
