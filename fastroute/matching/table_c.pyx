# cython: language_level=3, freethreading_compatible=True, cdivision=True
"""RouteTable: many path templates -> the routes that can match one path (compiled twin; see table_py).

The tree lies in flat arrays, and one open-addressed table holds the literal segments of all its nodes, so that a
lookup makes no object before it has candidates. It reads eight bytes at a time, of the UTF-8 of a path, in which a path
of ASCII lies in memory already; the hash of a segment of no more bytes is as good as its text.
"""

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_GET_SIZE
from cpython.dict cimport PyDict_CheckExact, PyDict_Contains, PyDict_GetItemWithError
from cpython.list cimport PyList_Check, PyList_GET_ITEM, PyList_GET_SIZE
from cpython.mem cimport PyMem_Calloc, PyMem_Free, PyMem_Malloc, PyMem_Realloc
from cpython.object cimport PyObject
from libc.limits cimport INT_MAX
from libc.stdint cimport int64_t, uint8_t, uint32_t, uint64_t
from libc.stdlib cimport qsort
from libc.string cimport memcmp, memcpy, memset

cdef extern from "Python.h":
    bint PyUnicode_IS_ASCII(object text)
    void* PyUnicode_DATA(object text)
    Py_ssize_t PyUnicode_GET_LENGTH(object text)
    object PyUnicode_DecodeUTF8(const char* text, Py_ssize_t size, const char* errors)
    object PyUnicode_FromObject(object text)
    object PyUnicode_Substring(object text, Py_ssize_t first, Py_ssize_t after)
    object PyObject_CallOneArg(object function, object argument)
    object PyObject_GenericGetDict(object owner, void* context)

# How many nodes or positions a lookup keeps on the stack before it asks for memory.
cdef enum:
    FEW = 32
    MOST_SEGMENTS = 64  # that can be text segments

# The same byte eight times.
cdef uint64_t ONES = 0x0101010101010101
cdef uint64_t SLASHES = 0x2F2F2F2F2F2F2F2F
cdef uint64_t HIGHEST_BITS = 0x8080808080808080

# Between the labels of neighbours at first: so many routes, halving what is left, fit between two of them.
cdef int64_t GAP = <int64_t> 1 << 40

cdef struct Node:
    int any  # child for one segment of any text, or 0
    bint literals  # if it has children for one text
    int ends, last_end  # chain of `entries`: templates that end here
    int below, last_below  # chain of `entries`: templates that take everything below

cdef struct Edge:
    int parent
    int child  # 0: this slot is free
    uint64_t hash
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


# A segment of a path: its hash, and where it ends.
cdef struct Segment:
    uint64_t hash
    Py_ssize_t stop

# A path on its way through the tree.
cdef struct Lookup:
    const uint8_t* path  # UTF-8
    Py_ssize_t size
    Py_ssize_t stops[MOST_SEGMENTS]  # where its segments end
    Numbers nodes  # that are possible before the next segment
    Numbers following  # and after it
    Numbers found  # the positions of candidates


cdef inline void start(Numbers* numbers) noexcept nogil:
    numbers.items = numbers.few
    numbers.count = 0
    numbers.room = FEW


cdef inline void stop(Numbers* numbers) noexcept:
    if numbers.items != numbers.few:
        PyMem_Free(numbers.items)


cdef inline object begin(Lookup* lookup, str path):
    """Returns the object whose memory the lookup reads."""
    start(&lookup.nodes)
    start(&lookup.following)
    start(&lookup.found)
    if PyUnicode_IS_ASCII(path):
        lookup.path = <const uint8_t*> PyUnicode_DATA(path)
        lookup.size = PyUnicode_GET_LENGTH(path)
        return path
    encoded = path.encode("utf-8", "surrogatepass")
    lookup.path = <const uint8_t*> PyBytes_AS_STRING(encoded)
    lookup.size = PyBytes_GET_SIZE(encoded)
    return encoded


cdef inline void end(Lookup* lookup) noexcept:
    stop(&lookup.nodes)
    stop(&lookup.following)
    stop(&lookup.found)


cdef int widen(Numbers* numbers) except -1:
    """Twice as much memory, from the stack to the heap if it is the first time."""
    cdef size_t size = numbers.count * sizeof(int)
    cdef bint is_few = numbers.items == numbers.few
    cdef int* items = <int*> PyMem_Realloc(NULL if is_few else numbers.items, 2 * size)
    if items == NULL:
        raise MemoryError
    if is_few:
        memcpy(items, numbers.few, size)
    numbers.items = items
    numbers.room *= 2
    return 0


cdef inline int push(Numbers* numbers, int number) except -1:
    if numbers.count == numbers.room:
        widen(numbers)
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


cdef inline void sort(Numbers* numbers) noexcept nogil:
    cdef int k, place, number
    if numbers.count > FEW:
        qsort(numbers.items, numbers.count, sizeof(int), compare)
        return
    # Most often there are one or two.
    for k in range(1, numbers.count):
        number = numbers.items[k]
        place = k
        while place and numbers.items[place - 1] > number:
            numbers.items[place] = numbers.items[place - 1]
            place -= 1
        numbers.items[place] = number


cdef inline uint64_t mix(uint64_t hash, uint64_t word) noexcept nogil:
    """Another hash for each other word."""
    hash = (hash ^ word) * <uint64_t> 0x9E3779B97F4A7C15
    return hash ^ hash >> 32


cdef inline uint64_t word_at(const uint8_t* text, Py_ssize_t first, Py_ssize_t size) noexcept nogil:
    """The next eight bytes, the first of them lowest; zeros from `size` on."""
    cdef Py_ssize_t start = min(first, size - 8), k
    cdef uint64_t word = 0
    if start < 0:
        for k in range(size - first):
            word |= <uint64_t> text[first + k] << 8 * k
        return word
    # Compilers make one instruction of it, on every machine the right one.
    text += start
    word = (<uint64_t> text[0] | <uint64_t> text[1] << 8 | <uint64_t> text[2] << 16 | <uint64_t> text[3] << 24
            | <uint64_t> text[4] << 32 | <uint64_t> text[5] << 40 | <uint64_t> text[6] << 48 | <uint64_t> text[7] << 56)
    return word >> 8 * (first - start)


cdef inline Segment segment_at(const uint8_t* text, Py_ssize_t first, Py_ssize_t size) noexcept nogil:
    """The segment from `first` up to a slash or `size`."""
    cdef Segment segment = Segment(0, first)
    cdef uint64_t word, slashes, before
    while segment.stop < size:
        word = word_at(text, segment.stop, size)
        # The lowest bit of `slashes` is the highest of the byte that is the first slash; `before` has all below it.
        slashes = word ^ SLASHES
        slashes = (slashes - ONES) & ~slashes & HIGHEST_BITS
        before = ((slashes & (0 - slashes)) >> 7) - 1
        if slashes == 0:
            segment.hash = mix(segment.hash, word)
            segment.stop += 8
            continue
        if before:
            segment.hash = mix(segment.hash, word & before)
        segment.stop += <Py_ssize_t> ((before & ONES) * ONES >> 56)
        return segment
    segment.stop = size
    return segment


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

    def __cinit__(self, row):
        self.route, self.segments, shortcut = row
        self.shortcut = None if shortcut is None else CShortcut(shortcut)


@cython.final
cdef class Tree:
    """The tree of one table and of those that are made from it by changes; it only ever grows."""

    cdef Node* nodes
    cdef Py_ssize_t node_count, node_room
    cdef Edge* edges
    cdef Py_ssize_t edge_count
    cdef uint32_t mask
    cdef uint8_t* texts  # UTF-8
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
            if segment is Ellipsis:
                self._chain(&self.nodes[node].below, &self.nodes[node].last_below)
                return 0
            node = self._wild(node) if segment is None else self._literal(node, segment)
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
        cdef bytes encoded = segment.encode("utf-8", "surrogatepass")
        cdef const uint8_t* text = <const uint8_t*> PyBytes_AS_STRING(encoded)
        cdef Py_ssize_t size = PyBytes_GET_SIZE(encoded)
        cdef uint64_t hash = segment_at(text, 0, size).hash
        cdef int child = self.child(parent, text, size, hash)
        if child:
            return child
        if self.text_count + size > INT_MAX:
            raise MemoryError
        child = self._new_node()
        self.texts = <uint8_t*> grown(self.texts, self.text_count + size, &self.text_room, 1)
        memcpy(self.texts + self.text_count, text, size)
        self.edges[self._free_slot(parent, hash)] = Edge(parent, child, hash, <int> self.text_count, <int> size)
        self.text_count += size
        self.nodes[parent].literals = True
        self.edge_count += 1
        if 2 * self.edge_count > self.mask:
            self._spread()
        return child

    cdef inline uint32_t _slot(self, int parent, uint64_t hash) noexcept nogil:
        """The first place in which an edge may be; the following ones are the others."""
        return <uint32_t> (mix(hash, parent) >> 32) & self.mask

    cdef uint32_t _free_slot(self, int parent, uint64_t hash) noexcept nogil:
        cdef uint32_t slot = self._slot(parent, hash)
        while self.edges[slot].child:
            slot = (slot + 1) & self.mask
        return slot

    cdef inline int child(self, int parent, const uint8_t* text, Py_ssize_t size, uint64_t hash) noexcept nogil:
        cdef uint32_t slot = self._slot(parent, hash)
        cdef Edge* edge = &self.edges[slot]
        while edge.child:
            if (edge.hash == hash and edge.parent == parent and edge.size == size
                    and (size <= 8 or memcmp(text, self.texts + edge.label, size) == 0)):
                return edge.child
            slot = (slot + 1) & self.mask
            edge = &self.edges[slot]
        return 0

    cdef void trim(self) noexcept:
        """Give back the memory that is meant for more."""
        self.nodes = <Node*> trimmed(self.nodes, self.node_count, &self.node_room, sizeof(Node))
        self.texts = <uint8_t*> trimmed(self.texts, self.text_count, &self.text_room, 1)
        self.entries = <Entry*> trimmed(self.entries, self.entry_count, &self.entry_room, sizeof(Entry))

    cdef int _spread(self) except -1:
        """Twice as many slots for edges."""
        cdef Edge* old = self.edges
        cdef uint32_t k, last = self.mask
        cdef Edge* edges = <Edge*> PyMem_Calloc(2 * (<size_t> last + 1), sizeof(Edge))
        if edges == NULL:
            raise MemoryError
        self.edges = edges
        self.mask = 2 * last + 1
        for k in range(last + 1):
            if old[k].child:
                edges[self._free_slot(old[k].parent, old[k].hash)] = old[k]
        PyMem_Free(old)
        return 0


@cython.final
cdef class RouteTable:
    """Routes in registration order, found by a tree over the segments of their templates (see the pure twin)."""

    cdef list rows  # the first `size` are its own
    cdef object none, partial, full
    cdef Tree tree
    cdef Key* keys  # of the rows; NULL if the number of each is its position
    cdef int size
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
        self.size = len(rows)
        self.tree = Tree()
        for position in range(self.size):
            self.tree.add(rows[position], self._key(position))
        self.tree.trim()
        return 0

    cdef inline Key _key(self, int position) noexcept nogil:
        return Key(position * GAP, position) if self.keys == NULL else self.keys[position]

    def __dealloc__(self):
        PyMem_Free(self.keys)

    def __reduce__(self):
        raise TypeError("cannot pickle 'RouteTable' object")

    def replaced(self, int start, int stop, rows, /):
        cdef list added = [CRow(row) for row in rows]
        cdef RouteTable table = RouteTable(None, self.none, self.partial, self.full)
        with cython.critical_section(self.tree):
            if not self._grow_into(table, start, stop, added):
                table._start(self.rows[:start] + added + self.rows[stop:self.size])
        return table

    cdef bint _grow_into(self, RouteTable table, int start, int stop, list added) except -1:
        """Make a table that shares the tree; False if that needs one of its own."""
        cdef int count = len(added), number = self.tree.entry_count - 1
        # The rows of a table that has grown at its end are the first of the new one.
        cdef bint shares_rows = self.keys == NULL and start == len(self.rows) == number
        # Before the editions are compared: a new list may let the garbage collector, and so another thread, come in.
        cdef list rows = self.rows if shares_rows else self.rows[:self.size]
        cdef int64_t before = self._key(start - 1).label if start else -GAP
        cdef int64_t step = GAP
        if self.edition != self.tree.edition or number > 2 * (self.size + 16):
            return False
        if stop < self.size:
            if not start:
                before = self._key(stop).label - (count + 1) * GAP
            step = (self._key(stop).label - before) // (count + 1)
            if step == 0:
                return False
        table.size = self.size - (stop - start) + count
        if not shares_rows:
            self._copy_keys(table, start, stop, Key(before, number), step)
        rows[start:stop] = added
        table.rows = rows
        for position in range(start, start + count):
            self.tree.add(added[position - start], table._key(position))
        table.tree = self.tree
        table.edition = self.tree.edition = self.edition + 1
        return True

    cdef int _copy_keys(self, RouteTable table, int start, int stop, Key before, int64_t step) except -1:
        """The keys of a table that differs between `start` and `stop`; `before` has the label before new ones."""
        cdef int position, moved = table.size - self.size
        table.keys = <Key*> PyMem_Malloc((table.size + 1) * sizeof(Key))
        if table.keys == NULL:
            raise MemoryError
        for position in range(start):
            table.keys[position] = self._key(position)
        for position in range(start, stop + moved):
            before.label += step
            table.keys[position] = before
            before.number += 1
        for position in range(stop, self.size):
            table.keys[position + moved] = self._key(position)
        return 0

    cdef inline CRow _row(self, int position):
        # Not by a macro: a younger table may let the list grow meanwhile.
        return <CRow> self.rows[position]

    cdef inline int _position(self, const Key* key) noexcept nogil:
        """The position of a row; -1 if it is in other tables of the tree only."""
        cdef int low = 0, high = self.size, middle
        if self.keys == NULL:
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

    def candidates(self, route_path):
        cdef Lookup lookup
        cdef int k
        route_path = PyUnicode_FromObject(route_path)
        text = begin(&lookup, route_path)
        try:
            self._collect(&lookup)
            routes = [self._row(lookup.found.items[k]).route for k in range(lookup.found.count)]
        finally:
            end(&lookup)
        return routes

    @cython.binding(False)
    def find(self, scope, route_path, bint any_match=False):
        cdef Lookup lookup
        route_path = PyUnicode_FromObject(route_path)
        text = begin(&lookup, route_path)
        try:
            self._collect(&lookup)
            chosen = self._choose(scope, route_path, any_match, &lookup) if lookup.found.count else None
        finally:
            end(&lookup)
        return chosen

    cdef object _choose(self, scope, str route_path, bint any_match, const Lookup* lookup):
        cdef int k
        cdef bint partial
        cdef CRow row
        first_partial = None
        for k in range(lookup.found.count):
            row = self._row(lookup.found.items[k])
            attributes = _attributes(row, route_path)
            if attributes is not None:
                partial = False
                child_scope = _answer(row, attributes, scope, route_path, lookup, &partial)
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
                return self._scan(scope, lookup.found.items[k] + 1, any_match, first_partial)
        return first_partial

    cdef object _scan(self, scope, Py_ssize_t start, bint any_match, first_partial):
        cdef CRow row
        cdef Py_ssize_t position
        for position in range(start, self.size):
            row = self._row(position)
            match, child_scope = row.route.matches(scope)
            if match is self.full or (any_match and match is not self.none):
                return row.route, child_scope
            if match is self.partial and first_partial is None:
                first_partial = row.route, child_scope
        return first_partial

    cdef int _collect(self, Lookup* lookup) except -1:
        with cython.critical_section(self.tree):
            if self.tree.unindexed:
                self._push_chain(&lookup.found, self.tree.unindexed)
            if lookup.size and lookup.path[0] == c'/':
                self._walk(lookup)
        sort(&lookup.found)
        return 0

    cdef int _walk(self, Lookup* lookup) except -1:
        cdef Tree tree = self.tree
        cdef const uint8_t* path = lookup.path
        cdef Py_ssize_t size = lookup.size
        cdef const Node* node
        cdef Numbers* nodes = &lookup.nodes
        cdef Numbers* following = &lookup.following
        cdef Segment segment
        cdef Py_ssize_t first = 1
        cdef int number = 1, k, child, any
        lookup.stops[0] = 0
        push(nodes, 0)
        while nodes.count:
            segment = segment_at(path, first, size)
            if number < MOST_SEGMENTS:
                lookup.stops[number] = segment.stop
            for k in range(nodes.count):
                node = &tree.nodes[nodes.items[k]]
                child = any = 0
                if node.literals:
                    child = tree.child(nodes.items[k], path + first, segment.stop - first, segment.hash)
                if segment.stop > first:
                    any = node.any
                if node.below:
                    self._push_chain(&lookup.found, node.below)
                if segment.stop == size:
                    self._push_ends(&lookup.found, child)
                    self._push_ends(&lookup.found, any)
                    continue
                if child:
                    push(following, child)
                if any:
                    push(following, any)
            if segment.stop == size:
                return self._end_before_newline(lookup, nodes, first)
            nodes, following = following, nodes
            following.count = 0
            first = segment.stop + 1
            number += 1
        return 0

    cdef int _end_before_newline(self, Lookup* lookup, const Numbers* nodes, Py_ssize_t first) except -1:
        cdef Py_ssize_t size = lookup.size - first - 1
        cdef const uint8_t* last = lookup.path + first
        cdef uint64_t hash
        cdef int k
        if size < 0 or last[size] != c'\n':
            return 0
        hash = segment_at(last, 0, size).hash
        for k in range(nodes.count):
            self._push_ends(&lookup.found, self.tree.child(nodes.items[k], last, size, hash))
        return 0

    cdef inline int _push_ends(self, Numbers* found, int node) except -1:
        if node and self.tree.nodes[node].ends:
            self._push_chain(found, self.tree.nodes[node].ends)
        return 0


@cython.binding(False)
def difference(list old not None, Py_ssize_t old_stop, new, /):
    cdef Py_ssize_t start = 0, new_stop, shortest
    if not PyList_Check(new):
        raise TypeError(f"new must be a list, not {type(new).__name__}")
    with cython.critical_section(old, new):
        new_stop = PyList_GET_SIZE(new)
        shortest = min(old_stop, new_stop)
        while start < shortest and PyList_GET_ITEM(old, start) == PyList_GET_ITEM(new, start):
            start += 1
        while (old_stop > start and new_stop > start
               and PyList_GET_ITEM(old, old_stop - 1) == PyList_GET_ITEM(new, new_stop - 1)):
            old_stop -= 1
            new_stop -= 1
    return start, old_stop, new_stop


cdef inline dict _attributes(CRow row, str route_path):
    """The attributes of the route, if it is still as its shortcut says; else None."""
    cdef CShortcut shortcut = row.shortcut
    if shortcut is None or PyUnicode_GET_LENGTH(route_path) > shortcut.longest_path:
        return None
    if type(row.route) is not shortcut.cls or shortcut.cls.matches is not shortcut.matches:
        return None
    cdef dict attributes = PyObject_GenericGetDict(row.route, NULL)
    if PyDict_Contains(attributes, "matches"):
        return None
    if shortcut.path_regex is not None and (
            PyDict_GetItemWithError(attributes, "path_regex") != <PyObject*> shortcut.path_regex
            or PyDict_GetItemWithError(attributes, "param_convertors") != <PyObject*> shortcut.param_convertors):
        return None
    return attributes


cdef inline dict _answer(CRow row, dict attributes, scope, str route_path, const Lookup* lookup, bint* partial):
    cdef CShortcut shortcut = row.shortcut
    cdef dict params
    if shortcut.match is None:
        params = _texts(shortcut, route_path, lookup)
    else:
        params = PyObject_CallOneArg(shortcut.match, route_path)
    if params is None:
        return None
    if "path_params" in scope:
        path_params = dict(scope["path_params"])
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


cdef inline dict _texts(CShortcut shortcut, str route_path, const Lookup* lookup):
    """The parameters of a route that the tree has matched already: whole segments of text."""
    cdef dict params = {}
    cdef uint64_t remaining = shortcut.text_segments
    cdef int number = 0, name = 0
    cdef Py_ssize_t first, after
    while remaining:
        if remaining & 1:
            first = lookup.stops[number - 1] + 1
            after = lookup.stops[number]
            if PyUnicode_IS_ASCII(route_path):
                text = PyUnicode_Substring(route_path, first, after)
            else:
                text = PyUnicode_DecodeUTF8(<const char*> lookup.path + first, after - first, "surrogatepass")
            params[shortcut.names[name]] = text
            name += 1
        remaining >>= 1
        number += 1
    return params
