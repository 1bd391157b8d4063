# cython: language_level=3, freethreading_compatible=True, cdivision=True
"""RouteTable: many path templates -> the routes that can match one path (compiled twin; see table_py).

The tree lies in flat arrays, and one open-addressed table holds the literal segments of all its nodes, so that a
lookup walks the characters of the path and makes no object before it has candidates.
"""

cimport cython
from cpython.dict cimport PyDict_CheckExact
from cpython.list cimport PyList_GET_ITEM, PyList_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from libc.limits cimport INT_MAX
from libc.stdint cimport int64_t, uint8_t, uint16_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcpy, memset

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

# Between the labels of neighbours at first: so many routes, halving what is left, fit between two of them.
cdef int64_t GAP = <int64_t> 1 << 40

cdef struct Node:
    int any  # child for one segment of any text, or 0
    int ends, last_end  # chain of `entries`: templates that end here
    int below, last_below  # chain of `entries`: templates that take everything below

cdef struct Edge:
    int parent
    int child  # 0: this slot is free
    uint32_t hash
    int label  # the start of the text of the segment in `texts`
    int size

cdef struct Key:
    int64_t label  # in the order of the routes
    int number  # of the row, never used again in one tree

cdef struct Entry:
    Key key
    int next  # 0: the last of its chain

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


cdef inline int is_before(const Key* one, const Key* other) noexcept nogil:
    return one.label < other.label or (one.label == other.label and one.number < other.number)


cdef void* grown(void* items, Py_ssize_t count, Py_ssize_t* room, size_t size) except NULL:
    """Memory for one item more than `count`."""
    if count < room[0]:
        return items
    cdef Py_ssize_t wanted = 2 * count + 16
    cdef void* larger = PyMem_Realloc(items, wanted * size)
    if larger == NULL:
        raise MemoryError
    room[0] = wanted
    return larger


cdef void* trimmed(void* items, Py_ssize_t count, Py_ssize_t* room, size_t size) noexcept:
    """The same items without memory for more."""
    cdef void* smaller = PyMem_Realloc(items, count * size) if 0 < count < room[0] else NULL
    if smaller == NULL:
        return items
    room[0] = count
    return smaller


cdef int compare(const void* one, const void* other) noexcept nogil:
    return (<const int*> one)[0] - (<const int*> other)[0]


cdef inline uint32_t mix(uint32_t hash, int parent) noexcept nogil:
    hash = (hash ^ <uint32_t> parent * <uint32_t> 2654435761) * <uint32_t> 2246822519
    return hash ^ hash >> 15


@cython.final
cdef class CShortcut:
    """A shortcut (see rows.py)."""

    cdef object cls, matches, path_regex, param_convertors, match
    cdef Py_ssize_t longest_path
    cdef tuple names  # of the text segments
    cdef uint64_t text_segments  # bit n is set if segment n is one
    cdef str endpoint
    cdef bint checks_method, adds_route

    def __cinit__(self, shortcut):
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
cdef class CRow:
    """A route and its shortcut, or None; an index of thousands of routes has many without, which stay small."""

    cdef object route
    cdef object segments
    cdef CShortcut shortcut
    cdef bint below

    def __cinit__(self, row):
        self.route, self.segments, self.below, shortcut = row
        self.shortcut = None if shortcut is None else CShortcut(shortcut)


@cython.final
cdef class Tree:
    """The tree of one table and of those that are made from it by changes; it only ever grows."""

    cdef Node* nodes
    cdef Py_ssize_t node_count, node_room
    cdef Edge* edges
    cdef Py_ssize_t edge_count
    cdef uint32_t mask
    cdef Py_UCS4* texts
    cdef Py_ssize_t text_count, text_room
    cdef Entry* entries  # from 1 on
    cdef Py_ssize_t entry_count, entry_room
    cdef int unindexed, last_unindexed  # chain of `entries`: routes that are candidates for every path
    cdef int edition  # of the newest table

    def __cinit__(self):
        self.mask = 7
        self.edges = <Edge*> PyMem_Calloc(self.mask + 1, sizeof(Edge))
        self.nodes = <Node*> PyMem_Calloc(16, sizeof(Node))
        if self.edges == NULL or self.nodes == NULL:
            raise MemoryError
        self.node_room = 16
        self.node_count = self.entry_count = 1

    def __dealloc__(self):
        PyMem_Free(self.nodes)
        PyMem_Free(self.edges)
        PyMem_Free(self.texts)
        PyMem_Free(self.entries)

    cdef int add(self, CRow row, Key key) except -1:
        cdef int node = 0
        self.entries = <Entry*> grown(self.entries, self.entry_count, &self.entry_room, sizeof(Entry))
        self.entries[self.entry_count] = Entry(key, 0)
        if row.segments is None:
            self._chain(&self.unindexed, &self.last_unindexed)
            return 0
        for segment in row.segments:
            node = self._wild(node) if segment is None else self._literal(node, segment)
        if row.below:
            self._chain(&self.nodes[node].below, &self.nodes[node].last_below)
        else:
            self._chain(&self.nodes[node].ends, &self.nodes[node].last_end)
        return 0

    cdef void _chain(self, int* first, int* last) noexcept:
        if first[0]:
            self.entries[last[0]].next = self.entry_count
        else:
            first[0] = self.entry_count
        last[0] = self.entry_count
        self.entry_count += 1

    cdef int _new_node(self) except -1:
        self.nodes = <Node*> grown(self.nodes, self.node_count, &self.node_room, sizeof(Node))
        memset(&self.nodes[self.node_count], 0, sizeof(Node))
        self.node_count += 1
        return self.node_count - 1

    cdef int _wild(self, int parent) except -1:
        if not self.nodes[parent].any:
            child = self._new_node()
            self.nodes[parent].any = child
        return self.nodes[parent].any

    cdef int _literal(self, int parent, str segment) except -1:
        cdef uint32_t hash = HASH_START, slot
        cdef Py_ssize_t size = len(segment), k
        cdef Py_UCS4 character
        cdef Edge* edge
        for character in segment:
            hash = (hash ^ <uint32_t> character) * HASH_FACTOR
        slot = mix(hash, parent) & self.mask
        while self.edges[slot].child:
            edge = &self.edges[slot]
            if edge.hash == hash and edge.parent == parent and edge.size == size:
                for k in range(size):
                    if self.texts[edge.label + k] != segment[k]:
                        break
                else:
                    return edge.child
            slot = (slot + 1) & self.mask
        child = self._new_node()
        label = self.text_count
        if label + size > INT_MAX:
            raise MemoryError
        for character in segment:
            self.texts = <Py_UCS4*> grown(self.texts, self.text_count, &self.text_room, sizeof(Py_UCS4))
            self.texts[self.text_count] = character
            self.text_count += 1
        self.edges[slot] = Edge(parent, child, hash, <int> label, <int> size)
        self.edge_count += 1
        if 2 * self.edge_count > self.mask:
            self._spread()
        return child

    cdef void trim(self) noexcept:
        """Give back the memory that is meant for more."""
        self.nodes = <Node*> trimmed(self.nodes, self.node_count, &self.node_room, sizeof(Node))
        self.texts = <Py_UCS4*> trimmed(self.texts, self.text_count, &self.text_room, sizeof(Py_UCS4))
        self.entries = <Entry*> trimmed(self.entries, self.entry_count, &self.entry_room, sizeof(Entry))

    cdef int _spread(self) except -1:
        """Twice as many slots for edges."""
        cdef Edge* old = self.edges
        cdef uint32_t slot, k, mask = 2 * self.mask + 1
        cdef Edge* edges = <Edge*> PyMem_Calloc(<size_t> mask + 1, sizeof(Edge))
        if edges == NULL:
            raise MemoryError
        for k in range(self.mask + 1):
            if old[k].child:
                slot = mix(old[k].hash, old[k].parent) & mask
                while edges[slot].child:
                    slot = (slot + 1) & mask
                edges[slot] = old[k]
        self.edges = edges
        self.mask = mask
        PyMem_Free(old)
        return 0

    cdef inline int child(self, int parent, Character* path, Py_ssize_t first, Py_ssize_t after,
                          uint32_t hash) noexcept:
        cdef uint32_t slot = mix(hash, parent) & self.mask
        cdef Edge* edge = &self.edges[slot]
        while edge.child:
            if (edge.hash == hash and edge.parent == parent and edge.size == after - first
                    and _same(path + first, self.texts + edge.label, edge.size)):
                return edge.child
            slot = (slot + 1) & self.mask
            edge = &self.edges[slot]
        return 0


@cython.final
cdef class RouteTable:
    """Routes in registration order, found by a tree over the segments of their templates (see the pure twin)."""

    cdef list rows
    cdef object none, partial, full
    cdef Tree tree
    cdef Key* keys  # of the rows
    cdef int size
    cdef bint in_step  # the number of a row is its position
    cdef int edition

    def __cinit__(self, rows, none, partial, full):
        self.none = none
        self.partial = partial
        self.full = full
        if rows is not None:
            self._start([CRow(row) for row in rows])

    cdef int _start(self, list rows) except -1:
        """A tree of its own for these rows."""
        cdef int position
        self.rows = rows
        self._allocate(len(rows))
        self.in_step = True
        self.tree = Tree()
        for position in range(self.size):
            self.keys[position] = Key(position * GAP, position)
            self.tree.add(rows[position], self.keys[position])
        self.tree.trim()
        return 0

    cdef int _allocate(self, Py_ssize_t size) except -1:
        self.size = size
        self.keys = <Key*> PyMem_Malloc((size + 1) * sizeof(Key))
        if self.keys == NULL:
            raise MemoryError
        return 0

    def __dealloc__(self):
        PyMem_Free(self.keys)

    def __reduce__(self):
        raise TypeError("cannot pickle 'RouteTable' object")

    def replaced(self, int start, int stop, rows, /):
        cdef list added = [CRow(row) for row in rows]
        cdef RouteTable table = RouteTable(None, self.none, self.partial, self.full)
        with cython.critical_section(self.tree):
            if not self._grow_into(table, start, stop, added):
                table._start(self.rows[:start] + added + self.rows[stop:])
        return table

    cdef bint _grow_into(self, RouteTable table, int start, int stop, list added) except -1:
        """Make a table that shares the tree; False if that needs one of its own."""
        cdef int k, count = len(added), number = self.tree.entry_count - 1
        cdef int64_t before = self.keys[start - 1].label if start else 0
        cdef int64_t step = GAP
        if self.edition != self.tree.edition or number > 2 * (self.size + 16):
            return False
        if stop < self.size:
            if not start:
                before = self.keys[stop].label - (count + 1) * GAP
            step = (self.keys[stop].label - before) // (count + 1)
            if step == 0:
                return False
        table._allocate(self.size - (stop - start) + count)
        memcpy(table.keys, self.keys, start * sizeof(Key))
        memcpy(table.keys + start + count, self.keys + stop, (self.size - stop) * sizeof(Key))
        for k in range(count):
            table.keys[start + k] = Key(before + (k + 1) * step, number + k)
            self.tree.add(added[k], table.keys[start + k])
        table.rows = self.rows[:]
        table.rows[start:stop] = added
        table.in_step = self.in_step and start == stop == self.size and number == self.size
        table.tree = self.tree
        table.edition = self.tree.edition = self.edition + 1
        return True

    cdef inline int _position(self, const Key* key) noexcept nogil:
        """The position of a row; -1 if it is in other tables of the tree only."""
        cdef int low = 0, high = self.size, middle
        if self.in_step:
            return key.number if key.number < self.size else -1
        while low < high:
            middle = (low + high) >> 1
            if is_before(&self.keys[middle], key):
                low = middle + 1
            else:
                high = middle
        return low if low < self.size and self.keys[low].number == key.number else -1

    cdef inline int _push_chain(self, Numbers* found, int entry) except -1:
        cdef int position
        while entry:
            position = self._position(&self.tree.entries[entry].key)
            if position >= 0:
                push(found, position)
            entry = self.tree.entries[entry].next
        return 0

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
        with cython.critical_section(self.tree):
            return self._collect_locked(route_path, found)

    cdef int _collect_locked(self, str route_path, Numbers* found) except -1:
        cdef int kind = PyUnicode_KIND(route_path)
        cdef void* data = PyUnicode_DATA(route_path)
        cdef Py_ssize_t size = PyUnicode_GET_LENGTH(route_path)
        self._push_chain(found, self.tree.unindexed)
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
            node = &self.tree.nodes[nodes.items[k]]
            self._push_chain(found, node.below)
            child = self.tree.child(nodes.items[k], path, first, after, hash)
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
            node = &self.tree.nodes[nodes.items[k]]
            self._push_chain(found, node.below)
            if node.any and after > first:
                node = &self.tree.nodes[node.any]
                self._push_chain(found, node.ends)
        return self._end_at_literal(path, first, after, hash, nodes, found)

    cdef int _end_at_literal(self, Character* path, Py_ssize_t first, Py_ssize_t after, uint32_t hash,
                             Numbers* nodes, Numbers* found) except -1:
        cdef int k, child
        for k in range(nodes.count):
            child = self.tree.child(nodes.items[k], path, first, after, hash)
            if child:
                self._push_chain(found, self.tree.nodes[child].ends)
        return 0


@cython.binding(False)
def difference(list old not None, list new not None, /):
    cdef Py_ssize_t start = 0, old_stop = PyList_GET_SIZE(old), new_stop = PyList_GET_SIZE(new)
    cdef Py_ssize_t shortest = min(old_stop, new_stop)
    while start < shortest and PyList_GET_ITEM(old, start) == PyList_GET_ITEM(new, start):
        start += 1
    while (old_stop > start and new_stop > start
           and PyList_GET_ITEM(old, old_stop - 1) == PyList_GET_ITEM(new, new_stop - 1)):
        old_stop -= 1
        new_stop -= 1
    return start, old_stop, new_stop


cdef inline bint _same(const Character* text, const Py_UCS4* label, Py_ssize_t size) noexcept nogil:
    cdef Py_ssize_t k
    for k in range(size):
        if text[k] != label[k]:
            return False
    return True


cdef inline dict _attributes(CRow row, str route_path):
    """The attributes of the route, if it is still as its shortcut says; else None."""
    cdef CShortcut shortcut = row.shortcut
    if shortcut is None or PyUnicode_GET_LENGTH(route_path) > shortcut.longest_path:
        return None
    if type(row.route) is not shortcut.cls or shortcut.cls.matches is not shortcut.matches:
        return None
    cdef dict attributes = PyObject_GenericGetDict(row.route, NULL)
    if "matches" in attributes:
        return None
    if shortcut.path_regex is not None and (
            attributes.get("path_regex") is not shortcut.path_regex
            or attributes.get("param_convertors") is not shortcut.param_convertors):
        return None
    return attributes


cdef inline dict _answer(CRow row, dict attributes, scope, str route_path, bint* partial):
    cdef CShortcut shortcut = row.shortcut
    cdef dict params
    if shortcut.match is None:
        params = _texts(shortcut, route_path)
    else:
        params = PyObject_CallOneArg(shortcut.match, route_path)
    if params is None:
        return None
    existing = (<dict> scope).get("path_params") if PyDict_CheckExact(scope) else scope.get("path_params")
    if existing is not None or "path_params" in scope:
        path_params = dict(existing)
        path_params.update(params)
        params = path_params
    child_scope = {"endpoint": attributes[shortcut.endpoint], "path_params": params}
    if shortcut.adds_route:
        child_scope["route"] = row.route
    if shortcut.checks_method:
        methods = attributes["methods"]
        if methods and scope["method"] not in methods:
            partial[0] = True
    return child_scope


cdef inline dict _texts(CShortcut shortcut, str route_path):
    """The parameters of a route that the tree has matched already: whole segments of text."""
    cdef int kind = PyUnicode_KIND(route_path)
    cdef void* data = PyUnicode_DATA(route_path)
    cdef Py_ssize_t size = PyUnicode_GET_LENGTH(route_path), first = 0, after
    cdef uint64_t remaining = shortcut.text_segments
    cdef int name = 0
    cdef dict params = {}
    while remaining:
        after = first
        while after < size and PyUnicode_READ(kind, data, after) != c'/':
            after += 1
        if remaining & 1:
            params[shortcut.names[name]] = PyUnicode_Substring(route_path, first, after)
            name += 1
        remaining >>= 1
        first = after + 1
    return params
