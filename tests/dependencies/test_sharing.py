"""Parameters and dependencies that many routes have in common: analysed faster, and with the same result."""

import gc
import inspect
import pickle
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import pytest
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.websockets import WebSocket

from fastroute import APIWebSocketRoute, DeclarationError, DependencyScopeError, Depends, Query, Router, Security
from fastroute.dependencies.dependant import _BRANCHES, _READINGS, Dependant, _Nodes
from fastroute.dependencies.fields import declaration, param_field, plain_field
from fastroute.dependencies.plan import _CHECKED

EMPTY = inspect.Parameter.empty


def parameter(annotation: Any, default: Any) -> inspect.Parameter:
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    return inspect.Parameter("name_of", kind, annotation=annotation, default=default)


def facts(field: Any) -> dict[str, Any]:
    found = {name: getattr(field, name) for name in type(field).__slots__}
    info, adapter = found.pop("info"), found.pop("adapter")
    slots = {name: getattr(info, name, "unset") for name in FieldInfo.__slots__}
    return {**found, **slots, "schema": adapter.core_schema}


@pytest.mark.parametrize("path_names", [frozenset(), frozenset({"name_of"})], ids=["query", "path"])
@pytest.mark.parametrize("default", [EMPTY, None, "text", "", 7, 0, 1.5, True], ids=repr)
@pytest.mark.parametrize("annotation", [str, int, float, bool])
def test_a_plain_parameter_is_as_by_the_whole_analysis(annotation: Any, default: Any, path_names: Any) -> None:
    one = parameter(annotation, default)
    found = plain_field(one, path_names)
    assert found is not None
    assert facts(found) == facts(param_field("name_of", declaration(one), path_names))


class Int(int):
    pass


@pytest.mark.parametrize(
    ("annotation", "default"),
    [
        (EMPTY, 1),
        (Int, 1),
        (int | None, 1),
        (list[int], EMPTY),
        (int, Int(1)),
        (str, []),
        (Any, "x"),
        ("int", 1),
        (bytes, b""),
    ],
)
def test_every_other_parameter_is_left_to_the_whole_analysis(annotation: Any, default: Any) -> None:
    assert plain_field(parameter(annotation, default), frozenset()) is None


def test_no_two_fields_share_what_a_tool_may_change() -> None:
    one, other = (plain_field(parameter(int, 1), frozenset()) for _ in range(2))
    assert one is not None
    assert other is not None
    one.info.default = 2
    assert other.info.default == 1
    assert one.adapter is other.adapter


class Filters(BaseModel):
    size: int = 1


async def lower(token: str = "t", size: Annotated[int, Query(ge=1)] = 1) -> None: ...


async def upper(
    filters: Annotated[Filters, Query()], value: Annotated[None, Depends(lower)], other: Annotated[None, Depends(lower)]
) -> None: ...


def route_of(call: Any, path: str = "/") -> APIWebSocketRoute:
    # Not in Annotated: `typing` keeps what was in one.
    async def endpoint(websocket: WebSocket, value: Any = Depends(call)) -> None: ...

    return APIWebSocketRoute(path, endpoint)


def nodes(dependant: Dependant) -> Iterator[Dependant]:
    yield dependant
    for dependency in dependant.dependencies:
        yield from nodes(dependency)


def changeable(route: APIWebSocketRoute) -> Iterator[Any]:
    """All that tools may change in a tree."""
    for node in nodes(route.dependant):
        yield from (node, node.dependencies, node.injected)
        yield from (node.path_params, node.query_params, node.header_params, node.cookie_params)
        for field in node.fields:
            yield from (field, field.info)


def test_nothing_that_is_shared_is_reachable_from_a_tree() -> None:
    one, other = route_of(upper), route_of(upper)
    assert not {*map(id, changeable(one))} & {*map(id, changeable(other))}
    assert [node.call for node in nodes(one.dependant)][1:] == [node.call for node in nodes(other.dependant)][1:]
    one.dependant.dependencies[0].call = lower
    one.dependant.dependencies[0].query_params.clear()
    assert other.dependant.dependencies[0].call is upper
    assert other.dependant.dependencies[0].query_params
    assert route_of(upper).dependant.dependencies[0].query_params


def test_a_function_is_read_once_for_all_routes_with_the_same_path_names(monkeypatch: pytest.MonkeyPatch) -> None:
    async def dependency(a: str) -> None: ...

    read = []
    signature = inspect.signature
    monkeypatch.setattr(inspect, "signature", lambda call, **more: read.append(call) or signature(call, **more))
    routes = [route_of(dependency, path) for path in ("/{a}", "/x/{a}", "/", "/x", "/{a}")]
    assert read.count(dependency) == 2
    places = [field.place for route in routes for field in route.dependant.dependencies[0].fields]
    assert places == ["path", "path", "query", "query", "path"]


def test_nothing_is_kept_that_no_route_needs() -> None:
    async def dependency(token: str) -> None: ...

    routes = [route_of(dependency) for _ in range(2)]
    key, kept = (id(dependency), frozenset[str]()), weakref.ref(dependency)
    assert key in _READINGS
    del routes[0]
    gc.collect()
    assert key in _READINGS
    del routes, dependency
    gc.collect()
    assert kept() is None
    assert key not in _READINGS
    assert key not in _BRANCHES


def names(route: APIWebSocketRoute) -> list[str]:
    return [field.name for field in route.dependant.dependencies[0].fields]


def test_a_function_that_was_changed_is_read_again() -> None:
    async def dependency(a: int = 1, *, b: int = 2) -> None: ...

    async def longer(a: int = 1, c: int = 3, *, b: int = 2) -> None: ...

    kept = [route_of(dependency)]

    def field(name: str) -> Any:
        kept.append(route_of(dependency))
        return next(field for field in kept[-1].dependant.dependencies[0].fields if field.name == name)

    dependency.__defaults__ = (10,)
    assert field("a").default == 10
    dependency.__kwdefaults__["b"] = 20  # type: ignore[index]
    assert field("b").default == 20
    dependency.__annotations__["b"] = str
    assert field("b").info.annotation is str
    dependency.__code__, dependency.__defaults__ = longer.__code__, longer.__defaults__
    assert names(route_of(dependency)) == ["a", "c", "b"]
    parameter = inspect.Parameter("other", inspect.Parameter.KEYWORD_ONLY, annotation=int)
    dependency.__signature__ = inspect.Signature([parameter])  # type: ignore[attr-defined]
    assert names(route_of(dependency)) == ["other"]
    assert names(kept[0]) == ["a", "b"]


@pytest.mark.parametrize("depth", [1, 3])
def test_a_function_that_was_changed_deep_below_is_read_again(depth: int) -> None:
    async def deepest(a: int = 1) -> None: ...

    call: Any = deepest
    for _ in range(depth):

        async def call(value: Any = Depends(call)) -> None: ...

    def deepest_default(route: APIWebSocketRoute) -> Any:
        [*_, last] = nodes(route.dependant)
        return last.query_params[0].default

    one = route_of(call)
    deepest.__defaults__ = (2,)
    other = route_of(call)
    assert [deepest_default(one), deepest_default(other)] == [1, 2]


def test_callables_that_cannot_be_shared_are_read_for_each_tree() -> None:
    class Late:
        def __init__(self, size: int = 1) -> None: ...

    async def above(late: Any = Depends(Late)) -> None: ...

    kept = route_of(above)

    def longer(self: Any, size: int = 2, page: int = 3) -> None: ...

    Late.__init__ = longer  # type: ignore[method-assign]
    found = [[field.name for field in list(nodes(route.dependant))[-1].fields] for route in (kept, route_of(above))]
    assert found == [["size"], ["size", "page"]]


def test_a_mistake_that_only_the_whole_tree_shows_is_found_for_each_route() -> None:
    async def session() -> AsyncIterator[int]:
        yield 1

    async def other(value: Any = Depends(session, scope="handshake")) -> AsyncIterator[int]:
        yield value

    async def wrong(websocket: WebSocket, value: Any = Depends(other, scope="request")) -> None: ...

    async def taking(websocket: WebSocket, value: Any = Depends(session, scope="handshake")) -> None: ...

    async def right(websocket: WebSocket, value: Any = Depends(session)) -> None: ...

    for _ in range(2):
        for endpoint in (wrong, taking):
            with pytest.raises(DependencyScopeError):
                APIWebSocketRoute("/", endpoint)
        # Its result is dropped, so that nobody takes it too late.
        APIWebSocketRoute("/", right, dependencies=[Depends(session, scope="handshake")])


def test_trees_that_need_the_same_are_planned_once() -> None:
    routes = [route_of(upper) for _ in range(3)]
    gc.collect()  # or routes of other tests might go while this one counts
    before = len(_CHECKED)
    routes += [route_of(upper), route_of(lower), route_of(lower)]
    assert len(_CHECKED) == before + 1
    del routes
    gc.collect()
    assert len(_CHECKED) < before + 1


def test_two_threads_that_make_the_nodes_at_once_get_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    both_made, first, found = threading.Barrier(2, timeout=10), route_of(upper), []
    make = _Nodes.of

    def of(*arguments: Any) -> Dependant:
        made = make(*arguments)
        both_made.wait()
        return made

    kept = route_of(upper)
    assert kept._checked is first._checked  # so its nodes are not made yet
    monkeypatch.setattr(_Nodes, "of", of)
    threads = [threading.Thread(target=lambda: found.append(kept.dependant)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found[0] is found[1] is kept.dependant


def test_a_copy_by_pickle_has_nodes_of_its_own() -> None:
    route = APIWebSocketRoute("/", pickled)
    copy = pickle.loads(pickle.dumps(route))
    assert [node.call for node in nodes(copy.dependant)] == [pickled, upper, lower, lower]
    assert copy.dependant is not route.dependant


async def pickled(websocket: WebSocket, value: Annotated[Any, Depends(upper)]) -> None: ...


def test_an_annotation_in_quotes_is_evaluated_for_each_route() -> None:
    names: dict[str, Any] = {"Size": int}
    exec("async def dependency(size: 'Size'): ...", names)
    one = route_of(names["dependency"])
    names["Size"] = str
    other = route_of(names["dependency"])
    assert [route.dependant.dependencies[0].query_params[0].info.annotation for route in (one, other)] == [int, str]


def test_a_mistake_is_found_for_each_route() -> None:
    async def dependency(body: dict[str, int]) -> None: ...

    for _ in range(2):
        with pytest.raises(DeclarationError) as caught:
            route_of(dependency)
        assert caught.value.call is dependency


def test_security_scopes_are_those_of_each_route() -> None:
    async def dependency(token: str) -> None: ...

    found = []
    for scope in ("read", "write"):

        async def endpoint(
            websocket: WebSocket, value: Annotated[None, Security(dependency, scopes=[scope])]
        ) -> None: ...

        found.append(APIWebSocketRoute("/", endpoint).dependant.dependencies[0].security_scopes)
    assert found == [("read",), ("write",)]


def test_threads_that_register_routes_of_one_tree() -> None:
    routers, start = [Router() for _ in range(4)], threading.Barrier(4)

    def register(router: Router) -> None:
        async def endpoint(websocket: WebSocket, value: Annotated[Any, Depends(upper)]) -> None: ...

        start.wait()
        for number in range(50):
            router.add_api_websocket_route(f"/{number}", endpoint)

    threads = [threading.Thread(target=register, args=(router,)) for router in routers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    routes: list[Any] = [route for router in routers for route in router.routes]
    assert len(routes) == 200
    assert all([node.call for node in nodes(route.dependant)][1:] == [upper, lower, lower] for route in routes)
    shared = [{*map(id, changeable(route))} for route in routes]
    assert sum(map(len, shared)) == len(set().union(*shared))
