# cython: language_level=3, freethreading_compatible=True
"""PathMatcher: one path template against one path (compiled twin; behaviour is described in _matcher_py)."""

from starlette.routing import compile_path

cimport cython


@cython.final
cdef class PathMatcher:
    cdef readonly str path
    cdef readonly object path_regex
    cdef readonly str path_format
    cdef readonly dict param_convertors

    def __init__(self, str path):
        self.path = path
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)

    def match(self, str route_path):
        found = self.path_regex.match(route_path)
        if found is None:
            return None
        return {key: self.param_convertors[key].convert(value) for key, value in found.groupdict().items()}
