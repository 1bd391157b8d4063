"""From a scope to the path that routes match, and from a match to the child scope (pure twin)."""

from collections.abc import MutableMapping
from typing import Any

__all__ = ["child_scope", "route_path"]


def route_path(scope: MutableMapping[str, Any]) -> str:
    """The path below `root_path`: `starlette._utils.get_route_path`."""
    path: str = scope["path"]
    root_path: str = scope.get("root_path", "")
    if not root_path or not path.startswith(root_path):
        return path
    if path == root_path:
        return ""
    if path[len(root_path)] == "/":
        return path[len(root_path) :]
    return path


def child_scope(scope: MutableMapping[str, Any], params: dict[str, Any], endpoint: Any, route: Any) -> dict[str, Any]:
    """What a match adds to the scope; `params` are merged over the path parameters already there."""
    path_params = dict(scope.get("path_params", {}))
    path_params.update(params)
    return {"endpoint": endpoint, "path_params": path_params, "route": route}
