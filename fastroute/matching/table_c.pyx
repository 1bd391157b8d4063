# cython: language_level=3, freethreading_compatible=True
"""RouteTable: many path templates -> the routes that can match one path (compiled twin; see table_py).

The tree lies in flat arrays, and one open-addressed table holds the literal segments of all its nodes, so that a
lookup walks the characters of the path and makes no object before it has candidates.
"""

cimport cython
from cpython.dict cimport PyDict_CheckExact
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.stdint cimport uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport qsort

cdef extern from "Python.h":
    int PyUnicode_KIND(object text)
    void* PyUnicode_DATA(object text)
    Py_UCS4 PyUnicode_READ(int kind, const void* data, Py_ssize_t index) nogil
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    object PyUnicode_FromObject(object text)
    object PyUnicode_Substring(object text, Py_ssize_t first, Py_ssize_t after)
    object PyObject_CallOneArg(object function, object argument)
    object PyObject_GenericGetDict(object owner, void* context)

ctypedef fused Character:
    uint8_t
    uint16_t
    uint32_t

# How many nodes or positions a lookup keeps on the stack before it asks for memory.
cdef enum:
    FEW = 32

cdef uint32_t HASH_START = 2166136261
cdef uint32_t HASH_FACTOR = 16777619

cdef struct Node:
    int any  # child for one segment of any text, or 0
    int ends, ends_stop  # slice of `positions`: templates that end here
    int below, below_stop  # slice of `positions`: templates that take everything below

cdef struct Edge:
    int parent
    int child  # 0: this slot is free
    uint32_t hash
    Py_ssize_t label  # the start of the text of the segment in `labels`
    Py_ssize_t size

cdef struct Numbers:
    int* items
    int count
    int room
    int few[FEW]


cdef inline void start(Numbers* numbers) noexcept nogil:
    numbers.items = numbers.few
    numbers.count = 0
    numbers.room = FEW


cdef inline void stop(Numbers* numbers) noexcept:
    if numbers.items != numbers.few:
        PyMem_Free(numbers.items)


cdef inline int push(Numbers* numbers, int number) except -1:
    cdef int* items
    cdef int k
    if numbers.count == numbers.room:
        if numbers.items == numbers.few:
            items = <int*> PyMem_Malloc(2 * numbers.room * sizeof(int))
            if items != NULL:
                for k in range(numbers.count):
                    items[k] = numbers.few[k]
        else:
            items = <int*> PyMem_Realloc(numbers.items, 2 * numbers.room * sizeof(int))
        if items == NULL:
            raise MemoryError
        numbers.items = items
        numbers.room *= 2
    numbers.items[numbers.count] = number
    numbers.count += 1
    return 0


cdef inline int push_slice(Numbers* numbers, const int* items, int first, int last) except -1:
    for first in range(first, last):
        push(numbers, items[first])
    return 0


cdef int compare(const void* one, const void* other) noexcept nogil:
    return (<const int*> one)[0] - (<const int*> other)[0]


cdef inline uint32_t mix(uint32_t hash, int parent) noexcept nogil:
    hash = (hash ^ <uint32_t> parent * <uint32_t> 2654435761) * <uint32_t> 2246822519
    return hash ^ hash >> 15


@cython.final
cdef class CRow:
    """A route and its shortcut (see rows.py); `cls` is None if it has none."""

    cdef object route
    cdef object cls, matches, path_regex, param_convertors, match
    cdef Py_ssize_t longest_path
    cdef tuple names  # of the text segments
    cdef uint64_t text_segments  # bit n is set if segment n is one
    cdef str endpoint
    cdef bint checks_method, adds_route

    def __cinit__(self, route, shortcut):
        self.route = route
        if shortcut is None:
            return
        unchanged = shortcut.unchanged
        self.cls = unchanged.cls
        self.matches = unchanged.matches
        self.path_regex = unchanged.path_regex
        self.param_convertors = unchanged.param_convertors
        self.longest_path = unchanged.longest_path
        self.match = shortcut.match
        self.endpoint = shortcut.endpoint
        self.checks_method = shortcut.checks_method
        self.adds_route = shortcut.adds_route
        self.names = tuple([name for _, name in shortcut.text_segments])
        for number, _ in shortcut.text_segments:
            self.text_segments |= <uint64_t> 1 << <int> number


@cython.final
cdef class RouteTable:
    """Routes in registration order, found by a tree over the segments of their templates (see the pure twin)."""

    cdef list rows
    cdef object none, partial, full
    cdef Node* nodes
    cdef Edge* edges
    cdef uint32_t mask
    cdef Py_UCS4* labels
    cdef int* positions  # of rows: first of those that are not indexed, then of those at each node
    cdef int unindexed  # how many are not indexed

    def __cinit__(self, rows, none, partial, full):
        self.none = none
        self.partial = partial
        self.full = full
        self.rows = []
        unindexed = []
        children = {}
        wild, ends, below = [0], {}, {}
        for position, (route, segments, takes_below, shortcut) in enumerate(rows):
            self.rows.append(CRow(route, shortcut))
            if segments is None:
                unindexed.append(position)
                continue
            node = 0
            for segment in segments:
                if segment is None:
                    child = wild[node]
                    if not child:
                        child = wild[node] = len(wild)
                        wild.append(0)
                else:
                    child = children.get((node, segment))
                    if child is None:
                        child = children[node, segment] = len(wild)
                        wild.append(0)
                node = child
            (below if takes_below else ends).setdefault(node, []).append(position)
        self._store(children, wild, ends, below, unindexed)

    cdef int _store(self, dict children, list wild, dict ends, dict below, list unindexed) except -1:
        cdef int node, position, stored = 0
        self.nodes = <Node*> PyMem_Calloc(len(wild), sizeof(Node))
        self.positions = <int*> PyMem_Malloc((len(self.rows) + 1) * sizeof(int))
        if self.nodes == NULL or self.positions == NULL:
            raise MemoryError
        for position in unindexed:
            self.positions[stored] = position
            stored += 1
        self.unindexed = stored
        for node in range(len(wild)):
            self.nodes[node].any = wild[node]
            self.nodes[node].ends = stored
            for position in ends.get(node, ()):
                self.positions[stored] = position
                stored += 1
            self.nodes[node].ends_stop = self.nodes[node].below = stored
            for position in below.get(node, ()):
                self.positions[stored] = position
                stored += 1
            self.nodes[node].below_stop = stored
        self._store_edges(children)
        return 0

    cdef int _store_edges(self, dict children) except -1:
        cdef Py_ssize_t size = 0
        cdef uint32_t slots = 8, slot, hash
        cdef Py_UCS4 character
        cdef str segment
        for _, segment in children:
            size += len(segment)
        while slots < 2 * len(children):
            slots *= 2
        self.mask = slots - 1
        self.edges = <Edge*> PyMem_Calloc(slots, sizeof(Edge))
        self.labels = <Py_UCS4*> PyMem_Malloc((size + 1) * sizeof(Py_UCS4))
        if self.edges == NULL or self.labels == NULL:
            raise MemoryError
        size = 0
        for (parent, segment), child in children.items():
            hash = HASH_START
            for character in segment:
                hash = (hash ^ <uint32_t> character) * HASH_FACTOR
            slot = mix(hash, parent) & self.mask
            while self.edges[slot].child:
                slot = (slot + 1) & self.mask
            self.edges[slot] = Edge(parent, child, hash, size, len(segment))
            for character in segment:
                self.labels[size] = character
                size += 1
        return 0

    def __dealloc__(self):
        PyMem_Free(self.nodes)
        PyMem_Free(self.edges)
        PyMem_Free(self.labels)
        PyMem_Free(self.positions)

    def candidates(self, str route_path not None):
        cdef Numbers found
        cdef int k
        start(&found)
        try:
            self._collect(route_path, &found)
            routes = [(<CRow> PyList_GET_ITEM(self.rows, found.items[k])).route for k in range(found.count)]
        finally:
            stop(&found)
        return routes

    def find(self, scope, route_path, bint any_match=False):
        cdef Numbers found
        start(&found)
        try:
            route_path = PyUnicode_FromObject(route_path)
            self._collect(route_path, &found)
            chosen = self._choose(scope, route_path, any_match, &found) if found.count else None
        finally:
            stop(&found)
        return chosen

    cdef object _choose(self, scope, str route_path, bint any_match, Numbers* found):
        cdef int k
        cdef bint partial
        cdef CRow row
        first_partial = None
        for k in range(found.count):
            row = <CRow> PyList_GET_ITEM(self.rows, found.items[k])
            attributes = _attributes(row, route_path)
            if attributes is not None:
                partial = False
                child_scope = _answer(row, attributes, scope, route_path, &partial)
                if child_scope is None:
                    continue
                if any_match or not partial:
                    return row.route, child_scope
                if first_partial is None:
                    first_partial = row.route, child_scope
                continue
            path, root_path = scope["path"], scope.get("root_path")
            match, child_scope = row.route.matches(scope)
            if match is self.full or (any_match and match is not self.none):
                return row.route, child_scope
            if match is self.partial and first_partial is None:
                first_partial = row.route, child_scope
            if scope["path"] is not path or scope.get("root_path") is not root_path:
                return self._scan(scope, found.items[k] + 1, any_match, first_partial)
        return first_partial

    cdef object _scan(self, scope, Py_ssize_t start, bint any_match, first_partial):
        cdef CRow row
        cdef Py_ssize_t position
        for position in range(start, PyList_GET_SIZE(self.rows)):
            row = <CRow> PyList_GET_ITEM(self.rows, position)
            match, child_scope = row.route.matches(scope)
            if match is self.full or (any_match and match is not self.none):
                return row.route, child_scope
            if match is self.partial and first_partial is None:
                first_partial = row.route, child_scope
        return first_partial

    cdef int _collect(self, str route_path, Numbers* found) except -1:
        cdef int kind = PyUnicode_KIND(route_path)
        cdef void* data = PyUnicode_DATA(route_path)
        cdef Py_ssize_t size = PyUnicode_GET_LENGTH(route_path)
        push_slice(found, self.positions, 0, self.unindexed)
        if kind == 1:
            self._walk(<uint8_t*> data, size, found)
        elif kind == 2:
            self._walk(<uint16_t*> data, size, found)
        else:
            self._walk(<uint32_t*> data, size, found)
        if found.count > 1:
            qsort(found.items, found.count, sizeof(int), compare)
        return 0

    cdef int _walk(self, Character* path, Py_ssize_t size, Numbers* found) except -1:
        cdef Numbers[2] level
        cdef Numbers* nodes = &level[0]
        cdef Numbers* following = &level[1]
        cdef Py_ssize_t first = 1, after
        cdef uint32_t hash, shorter
        if not size or path[0] != c'/':
            return 0
        start(nodes)
        start(following)
        try:
            push(nodes, 0)
            while nodes.count:
                hash = shorter = HASH_START
                after = first
                while after < size and path[after] != c'/':
                    shorter = hash
                    hash = (hash ^ path[after]) * HASH_FACTOR
                    after += 1
                if after < size:
                    self._step(path, first, after, hash, nodes, following, found)
                    nodes, following = following, nodes
                    following.count = 0
                    first = after + 1
                    continue
                self._end(path, first, size, hash, nodes, found)
                if size > first and path[size - 1] == c'\n':
                    self._end_at_literal(path, first, size - 1, shorter, nodes, found)
                break
        finally:
            stop(nodes)
            stop(following)
        return 0

    cdef int _step(self, Character* path, Py_ssize_t first, Py_ssize_t after, uint32_t hash, Numbers* nodes,
                   Numbers* following, Numbers* found) except -1:
        cdef int k, child
        cdef Node* node
        for k in range(nodes.count):
            node = &self.nodes[nodes.items[k]]
            push_slice(found, self.positions, node.below, node.below_stop)
            child = self._child(nodes.items[k], path, first, after, hash)
            if child:
                push(following, child)
            if node.any and after > first:
                push(following, node.any)
        return 0

    cdef int _end(self, Character* path, Py_ssize_t first, Py_ssize_t after, uint32_t hash, Numbers* nodes,
                  Numbers* found) except -1:
        cdef int k
        cdef Node* node
        for k in range(nodes.count):
            node = &self.nodes[nodes.items[k]]
            push_slice(found, self.positions, node.below, node.below_stop)
            if node.any and after > first:
                node = &self.nodes[node.any]
                push_slice(found, self.positions, node.ends, node.ends_stop)
        return self._end_at_literal(path, first, after, hash, nodes, found)

    cdef int _end_at_literal(self, Character* path, Py_ssize_t first, Py_ssize_t after, uint32_t hash,
                             Numbers* nodes, Numbers* found) except -1:
        cdef int k, child
        for k in range(nodes.count):
            child = self._child(nodes.items[k], path, first, after, hash)
            if child:
                push_slice(found, self.positions, self.nodes[child].ends, self.nodes[child].ends_stop)
        return 0

    cdef inline int _child(self, int parent, Character* path, Py_ssize_t first, Py_ssize_t after,
                           uint32_t hash) noexcept:
        cdef uint32_t slot = mix(hash, parent) & self.mask
        cdef Edge* edge = &self.edges[slot]
        while edge.child:
            if (edge.hash == hash and edge.parent == parent and edge.size == after - first
                    and _same(path + first, self.labels + edge.label, edge.size)):
                return edge.child
            slot = (slot + 1) & self.mask
            edge = &self.edges[slot]
        return 0


cdef inline bint _same(const Character* text, const Py_UCS4* label, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(size):
        if text[k] != label[k]:
            return False
    return True


cdef inline dict _attributes(CRow row, str route_path):
    """The attributes of the route, if it is still as its shortcut says; else None."""
    if row.cls is None or PyUnicode_GET_LENGTH(route_path) > row.longest_path:
        return None
    if type(row.route) is not row.cls or row.cls.matches is not row.matches:
        return None
    cdef dict attributes = PyObject_GenericGetDict(row.route, NULL)
    if "matches" in attributes:
        return None
    if row.path_regex is not None and (attributes.get("path_regex") is not row.path_regex
                                       or attributes.get("param_convertors") is not row.param_convertors):
        return None
    return attributes


cdef inline dict _answer(CRow row, dict attributes, scope, str route_path, bint* partial):
    cdef dict params = _texts(row, route_path) if row.match is None else PyObject_CallOneArg(row.match, route_path)
    if params is None:
        return None
    existing = (<dict> scope).get("path_params") if PyDict_CheckExact(scope) else scope.get("path_params")
    if existing is not None or "path_params" in scope:
        path_params = dict(existing)
        path_params.update(params)
        params = path_params
    child_scope = {"endpoint": attributes[row.endpoint], "path_params": params}
    if row.adds_route:
        child_scope["route"] = row.route
    if row.checks_method:
        methods = attributes["methods"]
        if methods and scope["method"] not in methods:
            partial[0] = True
    return child_scope


cdef inline dict _texts(CRow row, str route_path):
    """The parameters of a route that the tree has matched already: whole segments of text."""
    cdef int kind = PyUnicode_KIND(route_path)
    cdef void* data = PyUnicode_DATA(route_path)
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH(route_path), first = 0, after
    cdef uint64_t remaining = row.text_segments
    cdef int name = 0
    cdef dict params = {}
    while remaining:
        after = first
        while after < size and PyUnicode_READ(kind, data, after) != c'/':
            after += 1
        if remaining & 1:
            params[row.names[name]] = PyUnicode_Substring(route_path, first, after)
            name += 1
        remaining >>= 1
        first = after + 1
    return params
