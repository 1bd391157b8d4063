"""Two equal FastAPI applications, one of them accelerated, both changed again and again: every answer is the same."""

import os
from collections.abc import Callable, Iterator
from typing import Any

import fastapi.routing
import pytest
from fastapi_trees import Tree, convertors, difference, trees
from hypothesis import HealthCheck, Phase, given, settings

from fastroute import _fastapi, accelerate
from fastroute.indexing.route_list import RouteList
from fastroute.narrowing import routers as narrowing
from fastroute.narrowing import tables
from fastroute.narrowing.probe import reason_against_narrowing
from fastroute.narrowing.reading import Reader


@pytest.fixture(autouse=True)
def _convertors(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    # One request after a change is enough for an index, and so is one route: it answers most requests.
    monkeypatch.setattr(narrowing, "_PATIENCE", 1)
    monkeypatch.setattr(narrowing, "_scans", lambda *_, **__: False)
    # Else `accelerate` leaves FastAPI's routers alone, and no answer can be wrong.
    reason_against_narrowing.cache_clear()
    assert reason_against_narrowing() is None
    with convertors():
        yield


@pytest.mark.slow
@pytest.mark.twins
@given(trees())
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    phases=[Phase.explicit, Phase.generate],
)
def test_an_accelerated_application_answers_as_the_other(tree: Tree) -> None:
    assert difference(tree, accelerate) is None


def _lost_row(patch: pytest.MonkeyPatch) -> None:
    united = tables._all_shapes
    patch.setattr(tables, "_all_shapes", lambda paths: (found := united(paths)) and found[:-1])


def _wrong_order(patch: pytest.MonkeyPatch) -> None:
    routes = tables.Index.routes
    patch.setattr(tables.Index, "routes", lambda self, scope, places: routes(self, scope, places[::-1]))


def _stale_included_list(patch: pytest.MonkeyPatch) -> None:
    holds_for = tables.Index.holds_for

    def without_included(self: Any, candidates: Any) -> Any:
        return holds_for(narrowing.replace(self, included=()), candidates)

    patch.setattr(tables.Index, "holds_for", without_included)


def _stale_edition_of_included(patch: pytest.MonkeyPatch) -> None:
    def match(self: Any, scope: Any) -> Any:
        index = self._fastroute_index
        if index is None:
            return self._fastroute_original._match(self, scope)
        view = narrowing._IncludedView()
        view._fastroute_included = self
        view.effective_candidates = index.routes(scope, index.positions(scope, scope["path"])).__iter__
        return self._fastroute_original._match(view, scope)

    patch.setattr(narrowing._NarrowedIncluded, "_match", match)


def _missed_mutation(patch: pytest.MonkeyPatch) -> None:
    for method in ("__delitem__", "__setitem__", "insert"):
        patch.setattr(RouteList, method, getattr(list, method))


def _missed_mark(patch: pytest.MonkeyPatch) -> None:
    patch.delattr(narrowing.NotedRouter, "_mark_routes_changed")


def _missed_assignment(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(narrowing.NotedRouter, "__setattr__", object.__setattr__)


def _leaked_key(patch: pytest.MonkeyPatch) -> None:
    routes = tables.Index.routes

    def marking(self: Any, scope: Any, places: Any) -> Any:
        if self.mark is not None:
            self.mark(scope)
        return routes(self, scope, places)

    patch.setattr(tables.Index, "routes", marking)


def _lost_key(patch: pytest.MonkeyPatch) -> None:
    routes = tables.Index.routes
    patch.setattr(
        tables.Index,
        "routes",
        lambda self, scope, places: routes(narrowing.replace(self, mark=None), scope, places),
    )


def _writers_trusted(patch: pytest.MonkeyPatch) -> None:
    routes = tables.Index.routes
    patch.setattr(
        tables.Index,
        "routes",
        lambda self, scope, places: routes(narrowing.replace(self, writers=frozenset()), scope, places),
    )


def _own_matches_trusted(patch: pytest.MonkeyPatch) -> None:
    read = Reader._read_kind

    def by_mro(self: Any, cls: Any) -> Any:
        return next((kind for kind in (read(self, base) for base in cls.__mro__) if kind is not None), None)

    patch.setattr(Reader, "_read_kind", by_mro)


def _own_router_matches_trusted(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(_fastapi, "asks_its_routes", lambda included: True)


def _other_slash_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(narrowing, "other_slash", lambda scope, path: scope)


FAULTS = [_wrong_order, _missed_mutation, _own_matches_trusted, _other_slash_forgotten]
if hasattr(fastapi.routing, "_IncludedRouter"):  # before 0.137 there is nothing to lose of included routers
    FAULTS += [
        _lost_row,
        _stale_included_list,
        _stale_edition_of_included,
        _missed_mark,
        _leaked_key,
        _lost_key,
        _own_router_matches_trusted,
    ]
if os.environ.get("FASTROUTE_HYPOTHESIS_PROFILE") == "long":  # found as well, but not soon
    FAULTS += [_writers_trusted, _missed_assignment]


@pytest.mark.slow
@pytest.mark.parametrize("fault", FAULTS, ids=[fault.__name__.strip("_") for fault in FAULTS])
def test_a_planted_fault_is_found(fault: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch) -> None:
    fault(monkeypatch)

    @given(trees())
    @settings(max_examples=1_000, phases=[Phase.generate], report_multiple_bugs=False)
    def compare(tree: Tree) -> None:
        assert difference(tree, accelerate) is None

    with pytest.raises(AssertionError):
        compare()
