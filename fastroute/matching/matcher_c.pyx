# cython: language_level=3, freethreading_compatible=True, embedsignature=True, embedsignature.format=clinic
"""PathMatcher: one path template against one path (compiled twin; behaviour is described in matcher_py)."""

from uuid import SafeUUID, UUID

from .template import compile_elements, match_regex, read_template

cimport cython
from cpython.conversion cimport PyOS_string_to_double
from cpython.dict cimport PyDict_SetItem
from cpython.float cimport PyFloat_FromDouble, PyFloat_FromString
from cpython.long cimport PyLong_FromLongLong, PyLong_FromString
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject
from cpython.unicode cimport PyUnicode_Check, PyUnicode_Substring
from libc.stdint cimport uint8_t, uint16_t, uint32_t
from libc.string cimport memcmp, memset

cdef extern from "Python.h":
    int PyUnicode_KIND(object text)
    void* PyUnicode_DATA(object text)
    Py_UCS4 PyUnicode_READ(int kind, const void* data, Py_ssize_t index) nogil
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    ctypedef struct PyTypeObject:
        object (*tp_new)(PyTypeObject* cls, object args, PyObject* kwargs)
        int (*tp_descr_set)(object descriptor, object owner, object value) except -1
    PyTypeObject* Py_TYPE(object value)
    Py_ssize_t PY_SSIZE_T_MAX

ctypedef fused Character:
    uint8_t
    uint16_t
    uint32_t

cdef dict KINDS = {"literal": LITERAL, "str": STR, "path": PATH, "int": INT, "float": FLOAT, "uuid": UUID_}

# How many ends and how many bytes of the table below live on the stack.
cdef enum:
    FEW = 64
    SMALL = 2048

cdef inline bint _is_digit(uint32_t character) noexcept nogil:
    return c'0' <= character <= c'9'


cdef inline bint _is_hex(uint32_t character) noexcept nogil:
    return _is_digit(character) or c'a' <= character <= c'f' or c'A' <= character <= c'F'


cdef inline Py_ssize_t _digits(Character* text, Py_ssize_t start, Py_ssize_t size) noexcept nogil:
    while start < size and _is_digit(text[start]):
        start += 1
    return start


cdef inline Py_ssize_t _uuid(Character* text, Py_ssize_t start, Py_ssize_t size) noexcept nogil:
    cdef int[5] groups = [8, 4, 4, 4, 12]
    cdef int group
    for group in groups:
        if group != 8 and start < size and text[start] == c'-':
            start += 1
        if size - start < group:
            return -1
        for start in range(start, start + group):
            if not _is_hex(text[start]):
                return -1
        start += 1
    return start


cdef inline Py_ssize_t _longest(
    const CElement* element, Character* text, Py_ssize_t start, Py_ssize_t size
) noexcept nogil:
    """The longest end of `element` at `start`; -1 if it has none."""
    cdef Py_ssize_t end = start, fraction
    if element.kind == LITERAL:
        if size - start < element.size:
            return -1
        if element.width == sizeof(Character):
            if memcmp(element.data, text + start, element.size * sizeof(Character)):
                return -1
            return start + element.size
        for end in range(element.size):
            if PyUnicode_READ(element.width, element.data, end) != text[start + end]:
                return -1
        return start + element.size
    if element.kind == STR:
        while end < size and text[end] != c'/':
            end += 1
        return end if end > start else -1
    if element.kind == PATH:
        while end < size and text[end] != c'\n':
            end += 1
        return end
    if element.kind == UUID_:
        return _uuid(text, start, size)
    end = _digits(text, start, size)
    if end == start:
        return -1
    if element.kind == FLOAT and end < size and text[end] == c'.':
        fraction = _digits(text, end + 1, size)
        if fraction > end + 1:
            return fraction
    return end


cdef inline bint _starts(
    const CElement* element, Character* text, Py_ssize_t size, const char* ends, char* starts
) noexcept nogil:
    """The first pass: set `starts[p]` if `element` can begin at p so that it has an end in `ends`.

    Returns true if there is such a p.
    """
    cdef Py_ssize_t position, end
    cdef int begins = 0, found = 0, fraction = 0, after_dot = 0, digit
    if element.kind == PATH:
        begins = found = ends[size]
    starts[size] = begins
    if element.kind == STR:
        for position in range(size - 1, -1, -1):
            begins = (begins | ends[position + 1]) & <int> (text[position] != c'/')
            starts[position] = begins
            found |= begins
    elif element.kind == PATH:
        for position in range(size - 1, -1, -1):
            begins = ends[position] | (begins & <int> (text[position] != c'\n'))
            starts[position] = begins
            found |= begins
    elif element.kind == INT:
        for position in range(size - 1, -1, -1):
            begins = (begins | ends[position + 1]) & <int> _is_digit(text[position])
            starts[position] = begins
            found |= begins
    elif element.kind == FLOAT:
        # `fraction`: digits up to an end can begin at position + 1; `after_dot`: they can at position + 2.
        for position in range(size - 1, -1, -1):
            digit = _is_digit(text[position])
            begins |= ends[position + 1]
            if after_dot and text[position + 1] == c'.':
                begins = 1
            begins &= digit
            starts[position] = begins
            found |= begins
            after_dot = fraction
            fraction = (fraction | ends[position + 1]) & digit
    else:
        for position in range(size - 1, -1, -1):
            end = _longest(element, text, position, size)
            starts[position] = end >= 0 and ends[end]
            found |= starts[position]
    return found


cdef bint _two_passes(
    const CElement* elements,
    Py_ssize_t count,
    Character* text,
    Py_ssize_t start,
    Py_ssize_t size,
    char* table,
    Py_ssize_t* ends,
) noexcept nogil:
    """Find the end of each of `elements`, the first of which begins at `start` and has a choice of ends.

    `table` has a row of `size - start + 1` for the ends of each element.
    """
    cdef Py_ssize_t width = size - start + 1, k, end
    cdef Py_ssize_t least = elements[0].kind != PATH
    cdef char* accepted = table + (count - 1) * width
    text += start
    size -= start
    memset(accepted, 0, width)
    accepted[size] = 1
    if size and text[size - 1] == c'\n':
        accepted[size - 1] = 1
    for k in range(count - 1, 0, -1):
        if not _starts(&elements[k], text, size, table + k * width, table + (k - 1) * width):
            return False
    end = 0
    for k in range(count):
        accepted = table + k * width
        end = _longest(&elements[k], text, end, size)
        # A fraction is a dot with digits: its end is never right after the dot.
        while end >= least and (not accepted[end] or (elements[k].kind == FLOAT and text[end - 1] == c'.')):
            end -= 1
        if end < least:
            return False
        ends[k] = start + end
    return True


cdef int _find(
    const CElement* elements,
    Py_ssize_t count,
    Py_ssize_t forced,
    Character* text,
    Py_ssize_t size,
    Py_ssize_t* ends,
) except -1:
    """True if the elements match; `ends` gets the end of each. Most misses allocate nothing."""
    cdef Py_ssize_t k, end = 0, needed
    cdef char small[SMALL]
    cdef char* table = small
    cdef bint found
    for k in range(forced):
        end = _longest(&elements[k], text, end, size)
        if end < 0:
            return False
        ends[k] = end
    if forced == count:
        return end == size or (end == size - 1 and text[end] == c'\n')
    needed = (count - forced) * (size - end + 1)
    if needed > SMALL:
        table = <char*> PyMem_Malloc(needed)
        if table == NULL:
            raise MemoryError
    found = _two_passes(elements + forced, count - forced, text, end, size, table, ends + forced)
    if table != small:
        PyMem_Free(table)
    return found


# The slots of a UUID; its own __setattr__ refuses to set them.
cdef object INT_SLOT = UUID.__dict__["int"]
cdef object SAFETY_SLOT = UUID.__dict__["is_safe"]
cdef object UNKNOWN_SAFETY = SafeUUID.unknown


cdef object _make_uuid(int kind, void* data, Py_ssize_t start):
    """The same as `UUID(text)`, without its checks: the text has been checked."""
    cdef char digits[33]
    cdef int count = 0
    cdef Py_UCS4 character
    while count < 32:
        character = PyUnicode_READ(kind, data, start)
        if character != c'-':
            digits[count] = <char> character
            count += 1
        start += 1
    digits[32] = 0
    cdef PyTypeObject* cls = <PyTypeObject*> UUID
    value = cls.tp_new(cls, (), NULL)
    Py_TYPE(INT_SLOT).tp_descr_set(INT_SLOT, value, PyLong_FromString(digits, NULL, 16))
    Py_TYPE(SAFETY_SLOT).tp_descr_set(SAFETY_SLOT, value, UNKNOWN_SAFETY)
    return value


cdef object _make_float(int kind, void* data, Py_ssize_t start, Py_ssize_t end):
    cdef char digits[FEW]
    cdef Py_ssize_t position
    for position in range(start, end):
        digits[position - start] = <char> PyUnicode_READ(kind, data, position)
    digits[end - start] = 0
    return PyFloat_FromDouble(PyOS_string_to_double(digits, NULL, NULL))


cdef object _make_long_int(object text):
    try:
        return int(text)
    except ValueError:
        return None


cdef inline object _convert(ElementKind element_kind, object text, Py_ssize_t start, Py_ssize_t end):
    """The converted parameter; None for an int of more digits than Python converts."""
    cdef int kind
    cdef void* data
    cdef long long number = 0
    if element_kind == STR or element_kind == PATH:
        return PyUnicode_Substring(text, start, end)
    kind = PyUnicode_KIND(text)
    data = PyUnicode_DATA(text)
    if element_kind == FLOAT:
        if end - start >= FEW:
            return PyFloat_FromString(PyUnicode_Substring(text, start, end))
        return _make_float(kind, data, start, end)
    if element_kind == UUID_:
        return _make_uuid(kind, data, start)
    if end - start > 18:
        return _make_long_int(PyUnicode_Substring(text, start, end))
    for start in range(start, end):
        number = number * 10 + <int> PyUnicode_READ(kind, data, start) - 48
    return PyLong_FromLongLong(number)


@cython.final
cdef class PathMatcher:
    # Its first two lines are the signature, as CPython reads it.
    """PathMatcher(path)\n--\n\nOne path template, ready to be matched, with the answers of `starlette.routing.compile_path`.

    The convertors are those registered with Starlette when the matcher is made. A template of Starlette's own
    convertors is matched in linear time; one with any other convertor, or without a leading slash (a host), goes
    through Starlette's own regex.

    Args:
        path: the template, like `"/items/{item_id:int}"`.

    Attributes:
        path: the template as given.
        path_format: the template without convertors, like `"/items/{item_id}"`.
        param_convertors: Starlette's convertor for each parameter.
        path_regex: the regex that Starlette would match with, built when it is first asked for.

    Raises:
        ValueError: the template names an unknown convertor, or a parameter twice.
    """

    def __cinit__(self, path):
        cdef Py_ssize_t k
        cdef CElement* element
        cdef bint unbounded = False
        self.path = path
        self.template = read_template(path)
        self.path_format = self.template.path_format
        self.param_convertors = self.template.param_convertors
        self.regex = self.template.path_regex
        self.count = self.forced = len(self.template.elements)
        if not self.count:
            return
        self.elements = <CElement*> PyMem_Malloc(self.count * sizeof(CElement))
        if self.elements == NULL:
            raise MemoryError
        self.longest = 1  # the newline that `$` matches before
        for k, (kind, text, forced) in enumerate(self.template.elements):
            element = &self.elements[k]
            element.kind = KINDS[kind]
            element.text = <PyObject*> text
            element.width = PyUnicode_KIND(text)
            element.data = PyUnicode_DATA(text)
            element.size = PyUnicode_GET_LENGTH(text)
            if not forced:
                self.forced = min(self.forced, k)
            if element.kind == LITERAL:
                self.shortest += element.size
                self.longest += element.size
            elif element.kind == UUID_:
                self.shortest += 32
                self.longest += 36
            else:
                self.shortest += element.kind != PATH
                unbounded = True
        if unbounded:
            self.longest = PY_SSIZE_T_MAX

    def __dealloc__(self):
        PyMem_Free(self.elements)

    @property
    def path_regex(self):
        elements = self.template.elements
        with cython.critical_section(self):
            if self.regex is None:
                self.regex = compile_elements(elements)
            return self.regex

    def __repr__(self):
        return f"PathMatcher({self.path!r})"

    def __reduce__(self):
        return PathMatcher, (self.path,)

    @cython.binding(False)
    @cython.always_allow_keywords(False)
    def match(self, route_path, /):
        """Match a path and convert its parameters.

        Args:
            route_path: the path below the scope's `root_path`.

        Returns:
            A new dict of the converted parameters, or None if the path does not match. An int of more digits than
            Python converts (`sys.get_int_max_str_digits`) does not match; Starlette raises there.

        Raises:
            TypeError: `route_path` is not a str.
            Exception: a custom convertor raised it.
        """
        return self.matched(route_path)

    cdef object matched(self, object route_path):
        cdef Py_ssize_t few[FEW]
        cdef Py_ssize_t* ends = few
        cdef Py_ssize_t size
        cdef int width
        if not PyUnicode_Check(route_path):
            raise TypeError(f"route_path must be a str, not {type(route_path).__name__}")
        if self.elements == NULL:
            return match_regex(self.template, route_path)
        size = PyUnicode_GET_LENGTH(route_path)
        if size < self.shortest or size > self.longest:
            return None
        # It begins with a slash, so the first element is a literal: most misses need not go further.
        width = self.elements.width
        if PyUnicode_KIND(route_path) == width:
            if memcmp(PyUnicode_DATA(route_path), self.elements.data, self.elements.size * width):
                return None
            if self.count == 1 and size == self.elements.size:
                return {}
        if self.count <= FEW:
            return _match(self, route_path, few)
        ends = <Py_ssize_t*> PyMem_Malloc(self.count * sizeof(Py_ssize_t))
        if ends == NULL:
            raise MemoryError
        try:
            params = _match(self, route_path, ends)
        finally:
            PyMem_Free(ends)
        return params


cdef inline object _match(PathMatcher self, object route_path, Py_ssize_t* ends):
    cdef void* data = PyUnicode_DATA(route_path)
    cdef int kind = PyUnicode_KIND(route_path)
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH(route_path), k, start = 0
    cdef bint found
    if kind == 1:
        found = _find(self.elements, self.count, self.forced, <uint8_t*> data, size, ends)
    elif kind == 2:
        found = _find(self.elements, self.count, self.forced, <uint16_t*> data, size, ends)
    else:
        found = _find(self.elements, self.count, self.forced, <uint32_t*> data, size, ends)
    if not found:
        return None
    params = {}
    for k in range(self.count):
        if self.elements[k].kind != LITERAL:
            value = _convert(self.elements[k].kind, route_path, start, ends[k])
            if value is None:
                return None
            PyDict_SetItem(params, <object> self.elements[k].text, value)
        start = ends[k]
    return params
