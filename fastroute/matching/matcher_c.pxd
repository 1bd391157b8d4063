"""The method from PathMatcher that the other compiled kernels call: `matched`, without a call through Python."""

cimport cython
from cpython.object cimport PyObject

cdef enum ElementKind:
    LITERAL
    STR
    PATH
    INT
    FLOAT
    UUID_

cdef struct CElement:
    ElementKind kind
    PyObject* text  # of a literal; the name of a parameter; kept alive by PathMatcher.template
    int width  # of the characters of `data`
    void* data
    Py_ssize_t size


@cython.final
cdef class PathMatcher:
    cdef readonly object path
    cdef readonly str path_format
    cdef readonly dict param_convertors
    cdef object template
    cdef object regex
    cdef CElement* elements
    cdef Py_ssize_t count
    cdef Py_ssize_t forced
    cdef Py_ssize_t shortest  # the lengths of a path that can match
    cdef Py_ssize_t longest

    cdef object matched(self, object route_path)
