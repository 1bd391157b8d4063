# cython: language_level=3, freethreading_compatible=True
"""From a scope to the path that routes match, and from a match to the child scope (compiled twin)."""

cimport cython


@cython.binding(False)
@cython.always_allow_keywords(False)
def route_path(scope):
    path = scope["path"]
    root_path = scope.get("root_path", "")
    if not root_path or not path.startswith(root_path):
        return path
    if path == root_path:
        return ""
    if path[len(root_path)] == "/":
        return path[len(root_path):]
    return path


def child_scope(scope, params, endpoint, route, /):
    path_params = dict(scope.get("path_params", {}))
    path_params.update(params)
    return {"endpoint": endpoint, "path_params": path_params, "route": route}
