"""Tables made from tables by a change: each answers as a table of its own, whatever is made of it afterwards."""

import itertools
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastroute.matching import implementation as selector
from fastroute.matching import table_py
from fastroute.matching.rows import Row

pytestmark = pytest.mark.twins

SEGMENTS = st.lists(st.none() | st.sampled_from(["", "a", "b", "é", "😀"]), min_size=1, max_size=3)
ROWS = st.tuples(
    st.integers(0, 1_000),
    st.none() | st.builds(lambda segments, end: (*segments, *end), SEGMENTS, st.sampled_from([(), (...,)])),
).map(lambda row: Row(*row))
PATHS = ["", "/", "/a", "/b", "/a/b", "/a/a", "/a/b/a", "/é", "/a/😀", "/x", "/a/\n", "/a\n", "no"]


def table_of(rows: Any) -> Any:
    return selector.RouteTable(rows, "none", "partial", "full")


def answers(table: Any) -> list[list[Any]]:
    return [table.candidates(path) for path in PATHS]


@given(st.data())
def test_a_changed_table_answers_as_a_new_one(data: st.DataObject) -> None:
    rows: list[Row] = data.draw(st.lists(ROWS, max_size=6))
    table = table_of(rows)
    made = [(table, answers(table_of(rows)))]
    for _ in range(data.draw(st.integers(1, 12))):
        if data.draw(st.integers(0, 9)) == 0:  # a change of an older table
            rows, table = [], table_of([])
        start = data.draw(st.integers(0, len(rows)))
        stop = data.draw(st.integers(start, min(len(rows), start + 3)))
        new = data.draw(st.lists(ROWS, max_size=3))
        table = table.replaced(start, stop, new)
        rows = [*rows[:start], *new, *rows[stop:]]
        made.append((table, answers(table_of(rows))))
        assert answers(table) == made[-1][1]
    for older, expected in made:
        assert answers(older) == expected


def histories(size: int, changes: int) -> Iterator[list[tuple[int, int, int]]]:
    """Every way to change a table of this size: each time the part from `start` to `stop` becomes 0 to 2 other rows."""
    if not changes:
        yield []
        return
    for start, stop in itertools.combinations_with_replacement(range(size + 1), 2):
        for count in range(3):
            change = start, stop, count
            yield from ([change, *later] for later in histories(size - (stop - start) + count, changes - 1))


@pytest.mark.parametrize(("size", "changes"), [(0, 3), (1, 3), (3, 2)])
@pytest.mark.parametrize("nodes", [0, 100], ids=["one by one", "at once"])
def test_every_short_history_of_a_table(size: int, changes: int, nodes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any three rows that follow each other one is found by its path only, and the others by every path."""
    monkeypatch.setattr(table_py, "_MOST_NODES", nodes)
    rows = [Row(number, [(f"r{number}",), (None,), None][number % 3]) for number in range(10)]
    for history in histories(size, changes):
        unused = iter(rows)
        expected = list(itertools.islice(unused, size))
        table = table_of(expected)
        for start, stop, count in history:
            new = list(itertools.islice(unused, count))
            table = table.replaced(start, stop, new)
            expected[start:stop] = new
        for path in range(10):
            found = [row.route for row in expected if row.route % 3 or row.route == path]
            assert table.candidates(f"/r{path}") == found, history


def test_two_changes_of_one_table() -> None:
    rows = [Row(number, (f"r{number}",)) for number in range(3)]
    table = table_of(rows)
    one = table.replaced(1, 1, [Row("one", ("x",))])
    other = table.replaced(1, 2, [Row("other", ("x",))])
    assert (one.candidates("/x"), other.candidates("/x"), table.candidates("/x")) == (["one"], ["other"], [])
    assert (one.candidates("/r1"), other.candidates("/r1"), table.candidates("/r1")) == ([1], [], [1])


def test_changes_that_follow_each_other_share_one_tree() -> None:
    """So a change costs what it changed: shown for the pure twin, whose tree can be seen."""
    rows = [Row(number, (f"r{number}",)) for number in range(3)]
    table = table_py.RouteTable(rows, "none", "partial", "full")
    tree, newest = table._tree, table
    for start, stop in [(3, 3), (0, 0), (2, 2), (1, 2), (0, 1), (4, 5)]:
        for count in (1, 0, 2):
            newest = newest.replaced(start, min(stop, newest._size), [Row("new", ("new",))] * count)
            assert newest._tree is tree
    assert table.replaced(3, 3, [])._tree is not tree
    longer = (other := table_py.RouteTable(rows, "none", "partial", "full")).replaced(3, 3, rows)
    assert longer._rows is other._rows  # with more items, not copied
    grown = [newest._tree is tree]
    for _ in range(50):
        newest = newest.replaced(0, 1, [Row("new", ("new",))])
        grown.append(newest._tree is tree)
    assert grown.index(False) > 20
    assert newest.candidates("/new")


@pytest.mark.parametrize("place", [0, 1, 2])
@pytest.mark.parametrize("segments", [("a",), (None,), None], ids=["text", "parameter", "not indexed"])
def test_so_many_insertions_at_one_place_that_labels_run_out(
    place: int, segments: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = table_of([Row("first", segments), Row("last", segments)])
    expected: list[Any] = ["first", "last"]
    for number in range(200):
        table = table.replaced(place, place, [Row(number, segments)])
        expected.insert(place, number)
        assert table.candidates("/a") == expected
    monkeypatch.setattr(table_py, "_MOST_NODES", 0)
    assert table.candidates("/a") == expected


def test_so_many_removals_that_the_tree_is_made_anew() -> None:
    table = table_of([Row("kept", ("a",))])
    for number in range(500):
        table = table.replaced(1, 1, [Row(number, ("a",))])
        assert table.candidates("/a") == ["kept", number]
        table = table.replaced(1, 2, [])
        assert table.candidates("/a") == ["kept"]


@pytest.mark.skipif(
    sys.gettrace() is not None, reason="coverage runs Python inside of the kernels, and other threads with it"
)
def test_lookups_while_another_thread_changes_see_one_whole_edition() -> None:
    """Each change moves the one route from a path to another: a lookup finds exactly one, under one of the two."""
    tables = [table_of([Row(0, ("r0",)), Row("all", (...,))])]
    failures: list[Any] = []
    ended = threading.Event()

    def look() -> None:
        while not ended.is_set():
            table = tables[0]
            found = [table.candidates("/r0"), table.candidates("/r1")]
            if sorted(map(len, found)) != [1, 2]:
                failures.append(found)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for number in range(1, 300):
        tables[0] = tables[0].replaced(0, 1, [Row(number, (f"r{number % 2}",))])
    ended.set()
    for thread in threads:
        thread.join()
    assert not failures


LETTERS = st.lists(st.sampled_from("abc"), max_size=6)


@given(LETTERS, LETTERS, LETTERS)
def test_difference(one: list[str], other: list[str], behind: list[str]) -> None:
    start, stop, new_stop = selector.difference([*one, *behind], len(one), other)
    assert [*one[:start], *other[start:new_stop], *one[stop:]] == other
    if start < stop and start < new_stop:
        assert one[start] is not other[start]
        assert one[stop - 1] is not other[new_stop - 1]


def test_difference_goes_by_identity() -> None:
    class Equal:
        def __eq__(self, other: object) -> bool:
            return True

    one, other, same = Equal(), Equal(), Equal()
    assert selector.difference([one, same], 2, [other, same]) == (0, 1, 1)


@pytest.mark.parametrize("thing", [None, 7])
def test_difference_takes_lists(thing: Any) -> None:
    with pytest.raises(TypeError):
        selector.difference([], 0, thing)


@given(st.lists(ROWS, max_size=8), st.lists(ROWS, max_size=3), st.integers(0, 8))
def test_candidates_found_in_turn_are_those_found_at_once(rows: list[Row], new: list[Row], start: int) -> None:
    start = min(start, len(rows))
    with pytest.MonkeyPatch.context() as patch:
        tables = [table_py.RouteTable(rows, "none", "partial", "full")]
        tables.append(tables[0].replaced(start, min(start + 1, len(rows)), new))
        expected = [answers(table) for table in tables]
        patch.setattr(table_py, "_MOST_NODES", 0)
        assert [answers(table) for table in tables] == expected


def test_the_first_of_very_many_candidates_is_found_without_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        def matches(self, scope: Any) -> Any:
            return "full", {}

    routes = [Full() for _ in range(1 << 10)]
    rows = [Row(route, [None if n >> place & 1 else "a" for place in range(10)]) for n, route in enumerate(routes)]
    table = table_py.RouteTable(rows, "none", "partial", "full")
    visited = []
    step = table_py.RouteTable._step
    monkeypatch.setattr(table_py.RouteTable, "_step", lambda *args: visited.append(1) or step(*args))
    scope = {"path": "/a" * 10}
    found = table.find(scope, "/a" * 10)
    assert found is not None
    assert found[0] is routes[0]
    assert len(visited) < 30
    assert table.candidates("/a" * 10) == routes
    assert len(visited) > 1_000
