# cython: language_level=3, freethreading_compatible=True
"""From a scope to the path that routes match, and to the answer of a route (compiled twin; see scope_py)."""

from starlette.routing import Match

cimport cython
from cpython.dict cimport PyDict_CheckExact, PyDict_GetItemWithError
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_READ_CHAR, PyUnicode_Substring, PyUnicode_Tailmatch
from .matcher_c cimport PathMatcher

cdef extern from "Python.h":
    object PyObject_GenericGetDict(object owner, void* context)

cdef object FULL = Match.FULL
cdef object NONE = Match.NONE


@cython.binding(False)
@cython.always_allow_keywords(False)
def route_path(scope):
    return _route_path(scope)


cdef inline object _item(scope, str key):
    """`scope[key]`, without the checks for a dict of its own kind."""
    cdef PyObject* found
    if PyDict_CheckExact(scope):
        found = PyDict_GetItemWithError(scope, key)
        if found != NULL:
            return <object> found
    return scope[key]


cdef inline object _route_path(scope):
    cdef PyObject* found
    path = _item(scope, "path")
    if PyDict_CheckExact(scope):
        found = PyDict_GetItemWithError(scope, "root_path")
        if found == NULL:
            return path
        root_path = <object> found
    else:
        root_path = scope.get("root_path")
    if type(path) is str and type(root_path) is str:
        return _below(<str> path, <str> root_path)
    if not root_path or not path.startswith(root_path):
        return path
    if path == root_path:
        return ""
    if path[len(root_path)] == "/":
        return path[len(root_path):]
    return path


cdef inline str _below(str path, str root_path):
    cdef Py_ssize_t start = len(root_path), size = len(path)
    if start == 0 or not PyUnicode_Tailmatch(path, root_path, 0, size, -1):
        return path
    if size == start:
        return ""
    if PyUnicode_READ_CHAR(path, start) == c"/":
        return PyUnicode_Substring(path, start, size)
    return path


class RouteMatching:
    """The method `matches` of a route (see the pure twin)."""

    __slots__ = ()

    def matches(self, scope):
        if _item(scope, "type") != "websocket":
            return NONE, {}
        cdef dict attributes = PyObject_GenericGetDict(self, NULL)
        matcher, path = attributes["_matcher"], _route_path(scope)
        if type(matcher) is PathMatcher:
            params = (<PathMatcher> matcher).matched(path)
        else:
            params = matcher.match(path)
        if params is None:
            return NONE, {}
        if not PyDict_CheckExact(scope):
            if "path_params" in scope:
                params = _merged(scope["path_params"], params)
        elif PyDict_GetItemWithError(scope, "path_params") != NULL:
            params = _merged(scope["path_params"], params)
        return FULL, {"endpoint": attributes["_endpoint"], "path_params": params, "route": self}


cdef dict _merged(existing, params):
    merged = dict(existing)
    merged.update(params)
    return merged
