# cython: language_level=3, freethreading_compatible=True
"""From a scope to the path that routes match, and from a match to the child scope (compiled twin)."""

cimport cython
from cpython.unicode cimport PyUnicode_READ_CHAR, PyUnicode_Substring, PyUnicode_Tailmatch


@cython.binding(False)
@cython.always_allow_keywords(False)
def route_path(scope):
    if type(scope) is dict:
        path, root_path = (<dict> scope)["path"], (<dict> scope).get("root_path", "")
    else:
        path, root_path = scope["path"], scope.get("root_path", "")
    if type(path) is str and type(root_path) is str:
        return _below(<str> path, <str> root_path)
    if not root_path or not path.startswith(root_path):
        return path
    if path == root_path:
        return ""
    if path[len(root_path)] == "/":
        return path[len(root_path):]
    return path


cdef str _below(str path, str root_path):
    cdef Py_ssize_t start = len(root_path), size = len(path)
    if start == 0 or not PyUnicode_Tailmatch(path, root_path, 0, size, -1):
        return path
    if size == start:
        return ""
    if PyUnicode_READ_CHAR(path, start) == c"/":
        return PyUnicode_Substring(path, start, size)
    return path


@cython.binding(False)
def child_scope(scope, dict params not None, endpoint, route, /):
    if "path_params" in scope:
        merged = dict(scope["path_params"])
        merged.update(params)
        params = merged
    return {"endpoint": endpoint, "path_params": params, "route": route}
