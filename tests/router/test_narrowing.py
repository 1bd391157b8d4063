"""FastAPI's routers with an index: single cases that the generated comparison does not reach."""

import asyncio
import copy
import dataclasses
import re
import sys
import threading
from collections.abc import Iterator
from typing import Any

import anyio
import fastapi.routing
import pytest
from asgi import http_scope, request
from fastapi import APIRouter, FastAPI
from fastapi.routing import APIRoute
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Host, Match, Mount, Route, Router, WebSocketRoute
from starlette.websockets import WebSocket

from fastroute import IMPLEMENTATION, APIWebSocketRoute, _fastapi, accelerate
from fastroute.commands import routes
from fastroute.indexing.index import shape_of
from fastroute.indexing.route_list import RouteList
from fastroute.narrowing import probe, tables
from fastroute.narrowing import routers as narrowing
from fastroute.narrowing.reading import Reader
from fastroute.narrowing.tables import Index
from fastroute.tracing.entries import entries, walk

pytestmark = pytest.mark.twins

keeps_included = pytest.mark.skipif(
    not hasattr(fastapi.routing, "_IncludedRouter"),
    reason="before 0.137 FastAPI copies routes that it includes",
)


SCANS = narrowing._scans


@pytest.fixture(autouse=True)
def _is_narrowed(monkeypatch: pytest.MonkeyPatch) -> None:
    # Else FastAPI's own scan answers, and no answer can be wrong.
    assert probe.reason_against_narrowing() is None
    monkeypatch.setattr(narrowing, "_scans", lambda *_, **__: False)


@pytest.fixture
def scanning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(narrowing, "_scans", SCANS)


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.url.path} {request.path_params}")


def application(routers: int = 3, paths: int = 10) -> FastAPI:
    app = FastAPI(openapi_url=None)
    for number in range(routers):
        router = APIRouter()
        for path in range(paths):
            router.add_api_route(f"/item{path}/{{id}}", page)
        app.include_router(router, prefix=f"/resource{number}")
    return app


def asked_count(monkeypatch: pytest.MonkeyPatch, app: FastAPI, path: str, **items: Any) -> int:
    """How many routes FastAPI asks for a request."""
    asked = []
    matches = APIRoute.matches

    def counting(self: Any, scope: Any) -> Any:
        asked.append(self)
        return matches(self, scope)

    with monkeypatch.context() as patch:
        patch.setattr(APIRoute, "matches", counting)
        # The index relies on the function that was there when it was built.
        for index in (vars(thing).get("_fastroute_index") for thing in (app.router, *app.routes)):
            if index is not None:
                index.functions[:] = [cls.matches for cls in index.classes]
        request(app, path, **items)
        patch.undo()
        for index in (vars(thing).get("_fastroute_index") for thing in (app.router, *app.routes)):
            if index is not None:
                index.functions[:] = [cls.matches for cls in index.classes]
    return len(asked)


@keeps_included
def test_only_routes_that_can_match_are_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    app = application()
    accelerate(app)
    request(app, "/nowhere")
    assert asked_count(monkeypatch, app, "/resource2/item9/1") == 2  # to match, and to handle
    assert asked_count(monkeypatch, app, "/nowhere") == 0
    assert asked_count(monkeypatch, app, "/resource2/item9/1/") == 1


def test_a_patched_matches_is_asked_at_every_route(monkeypatch: pytest.MonkeyPatch) -> None:
    app = application()
    accelerate(app)
    assert request(app, "/anything")[0] == 404
    monkeypatch.setattr(APIRoute, "matches", lambda self, scope: (Match.FULL, {"path_params": {}}))
    assert request(app, "/anything")[0] == 200
    monkeypatch.undo()
    assert request(app, "/anything")[0] == 404


@keeps_included
def test_what_stands_for_a_route_may_get_another_matches(monkeypatch: pytest.MonkeyPatch) -> None:
    app, router = application(), APIRouter()
    router.routes.append(Route("/page", page))
    app.include_router(router, prefix="/in")
    accelerate(app)
    assert request(app, "/anything")[0] == 404
    (context,) = app.routes[-1].effective_candidates()  # type: ignore[attr-defined]  # an included router has it
    monkeypatch.setattr(type(context), "matches", lambda self, scope: (Match.FULL, {"path_params": {}}))
    assert request(app, "/anything")[0] == 200


def test_a_scope_of_an_unknown_type_is_left_as_fastapi_leaves_it() -> None:
    left = []
    for accelerated in (False, True):
        app = application()
        if accelerated:
            accelerate(app)
        scope = {**http_scope("/nowhere"), "type": "other"}
        with pytest.raises(AssertionError):
            app.router(scope, None, None).__await__().send(None)  # type: ignore[arg-type]
        left.append(list(scope))
    assert left[0] == left[1]


def forwarding(other: FastAPI) -> Any:
    """An endpoint that hands its own scope to another application."""

    async def forward(request: Request) -> PlainTextResponse:
        if "forwarded" in request.scope:
            return PlainTextResponse(f"again {request.path_params}")
        request.scope["forwarded"] = True
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        await other.router(request.scope, request.receive, send)
        return PlainTextResponse(f"{[message.get('body') for message in sent]}")

    return forward


@keeps_included
def test_an_endpoint_hands_its_scope_to_an_application_with_the_same_route() -> None:
    """FastAPI's route then goes by the inclusion that the scope names, not by its own path."""
    answers = []
    for accelerated in (False, True):
        other, app, router = FastAPI(openapi_url=None), FastAPI(openapi_url=None), APIRouter()
        router.add_api_route("/a", forwarding(other))
        other.router.routes.append(router.routes[-1])
        app.include_router(router, prefix="/in")
        if accelerated:
            accelerate(app)
            accelerate(other)
        answers.append([request(app, "/in/a"), request(other, "/a"), request(other, "/in/a")])
    assert answers[0] == answers[1]
    assert "again" in answers[0][0][1]


def test_after_a_change_fastapi_scans_until_it_is_quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    app = application()
    accelerate(app)
    request(app, "/nowhere")
    before = app.router._fastroute_index  # type: ignore[attr-defined]
    app.add_api_route("/new", page)
    for _ in range(8):
        assert request(app, "/new")[0] == 200
        assert app.router._fastroute_index is before  # type: ignore[attr-defined]
    request(app, "/new")
    assert app.router._fastroute_index is not before  # type: ignore[attr-defined]
    assert asked_count(monkeypatch, app, "/nowhere") == 0


@pytest.mark.parametrize("accelerated", [False, True])
@pytest.mark.parametrize("make", [FastAPI, Starlette])
def test_a_scan_passes_over_a_route_if_one_before_it_is_removed(make: Any, accelerated: bool) -> None:
    """A fault of FastAPI's and Starlette's own scans. An index asks the routes of one edition."""
    app = make()
    first = Route("/first", page)

    class Removing(Route):
        def matches(self, scope: Any) -> Any:
            if first in app.router.routes:
                app.router.routes.remove(first)
            return Match.NONE, {}

    app.router.routes[:] = [first, Removing("/removing", page), Route("/page", page), Route("/other", page)]
    if accelerated:
        accelerate(app)
    assert [request(app, "/page")[0] for _ in range(2)] == [200 if accelerated else 404, 200]


def test_a_change_of_another_application_keeps_the_index(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(Index, "holds_for")  # nothing is compared
    app, other = application(), application()
    accelerate(app)
    accelerate(other)
    request(app, "/nowhere")
    candidates = app.router._fastroute_index.candidates  # type: ignore[attr-defined]
    other.add_api_route("/new", page)
    request(app, "/nowhere")
    assert app.router._fastroute_index.candidates is candidates  # type: ignore[attr-defined]
    assert app.router._fastroute_index.edition is RouteList.newest  # type: ignore[attr-defined]


def test_an_application_gets_an_index_while_another_one_changes() -> None:
    app, other = application(), application()
    accelerate(app)
    accelerate(other)
    request(app, "/nowhere")
    app.add_api_route("/new", page)
    for number in range(9):
        assert app.router._fastroute_index.edition is not RouteList.newest  # type: ignore[attr-defined]
        assert request(app, "/new")[0] == 200
        newest = RouteList.newest
        other.add_api_route(f"/new{number}", page)
    assert app.router._fastroute_index.edition is newest  # type: ignore[attr-defined]


@keeps_included
def test_a_router_that_fastapi_goes_on_serving_may_change() -> None:
    """It is in no list of a router, and in the one that FastAPI has made of them."""
    answers = []
    for accelerated in (False, True):
        outer, inner = APIRouter(), APIRouter(routes=[APIRoute("/page", page)])
        outer.include_router(inner)
        app = application()
        app.include_router(outer, prefix="/outer")
        if accelerated:
            accelerate(app)
        request(app, "/nowhere")
        outer.routes.clear()
        found = [request(app, "/outer/page")[0]]
        inner.add_api_route("/later", page)
        answers.append([*found, request(app, "/outer/page")[0], request(app, "/outer/later")[0]])
    assert answers == [[200, 200, 200]] * 2


@keeps_included
def test_names_classes_and_copies_stay() -> None:
    app = application()
    accelerate(app)
    request(app, "/nowhere")
    for thing, name in [(app.router, "APIRouter"), (app.routes[0], "_IncludedRouter")]:
        cls = type(thing)
        assert (cls.__name__, cls.__qualname__, cls.__module__) == (name, name, "fastapi.routing")
    copied = copy.copy(app.router)
    assert isinstance(copied, APIRouter)
    copied.routes = [Route("/copied", page)]
    assert request(copied.app, "/copied")[0] == 200
    assert request(app, "/copied")[0] == 404
    flat = APIRouter()
    flat.add_route("/a", page)
    accelerate(flat)
    request(flat, "/a")
    deep = copy.deepcopy(flat)
    deep.add_route("/b", page)
    assert [request(deep.app, path)[0] for path in ("/a", "/b")] == [200, 200]
    assert request(flat, "/b")[0] == 404


def test_while_one_thread_builds_the_others_scan() -> None:
    app = application()
    accelerate(app)
    builds, is_built = threading.Event(), threading.Event()

    def build() -> None:
        with narrowing._BUILDING:
            builds.set()
            is_built.wait(10)

    other = threading.Thread(target=build)
    other.start()
    builds.wait(10)
    assert request(app, "/resource2/item9/1")[0] == 200
    assert app.router._fastroute_index is None  # type: ignore[attr-defined]
    is_built.set()
    other.join()
    assert request(app, "/resource2/item9/1")[0] == 200
    assert app.router._fastroute_index is not None  # type: ignore[attr-defined]


@keeps_included
@pytest.mark.skipif(
    sys.gettrace() is not None, reason="coverage runs Python inside of the kernels, and other threads with it"
)
def test_threads_change_and_ask() -> None:
    app = application()
    accelerate(app)
    failed: list[Any] = []

    def work(number: int) -> None:
        router = APIRouter()
        app.include_router(router, prefix=f"/thread{number}")
        for path in range(25):
            router.add_api_route(f"/{path}/{{id}}", page)
            for asked in {path, path // 2}:
                if request(app, f"/thread{number}/{asked}/1")[0] != 200:
                    failed.append((number, path, asked))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed


def test_a_router_that_cannot_be_narrowed_is_left_with_the_reason() -> None:
    class Own(APIRouter):
        async def app(self, scope: Any, receive: Any, send: Any) -> None:
            await PlainTextResponse("own")(scope, receive, send)

    router = Own()
    (left,) = accelerate(router).left
    assert left.reason.endswith("Own has `app` of its own")
    assert type(router) is Own


@keeps_included
def test_a_router_whose_note_of_changes_was_replaced_is_left() -> None:
    router = APIRouter()
    router._mark_routes_changed = lambda: None  # type: ignore[attr-defined,method-assign,unused-ignore]
    (left,) = accelerate(router).left
    assert left.reason == "its `_mark_routes_changed` was replaced"
    assert type(router) is APIRouter


def test_a_router_of_a_class_without_subclasses_is_left_as_it_was() -> None:
    class Final(APIRouter):
        def __init_subclass__(cls) -> None:
            raise TypeError("Final has no subclasses")

    router = Final()
    router.add_route("/page", page)
    routes = router.routes
    (left,) = accelerate(router).left
    assert left.reason.endswith("Final cannot become a subclass of fastroute's NarrowedRouter: Final has no subclasses")
    assert (type(router), router.routes) == (Final, routes)
    assert router.routes is routes
    assert request(router, "/page")[0] == 200


class Silent(APIRouter):
    """Does not say by FastAPI's own function when it changes."""

    def _mark_routes_changed(self) -> None:
        super()._mark_routes_changed()


class Hiding(APIRouter):
    """Nobody knows what its attributes are."""

    def __getattribute__(self, name: str) -> Any:
        return super().__getattribute__(name)


class Keeping(APIRouter):
    """Nobody sees how its routes change."""

    @property
    def routes(self) -> Any:  # type: ignore[override]  # what is looked for
        return vars(self)["kept"]

    @routes.setter
    def routes(self, routes: Any) -> None:
        vars(self)["kept"] = routes


@keeps_included
@pytest.mark.parametrize("cls", [Silent, Hiding, Keeping])
def test_an_included_router_that_does_not_say_when_it_changes_is_asked_for_every_path(cls: type[APIRouter]) -> None:
    silent = cls()
    silent.add_api_route("/page", page)
    app = application()
    app.include_router(silent, prefix="/silent")
    (indexed,) = accelerate(app).indexed
    assert list(indexed.asked) == [app.routes[-1]]
    assert request(app, "/silent/page")[0] == 200
    silent.add_api_route("/later", page)
    assert request(app, "/silent/later")[0] == 200


@keeps_included
def test_a_router_around_one_that_does_not_say_when_it_changes_is_asked_for_every_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    silent, around = Silent(), APIRouter()
    silent.add_api_route("/page", page)
    around.include_router(silent, prefix="/silent")
    app = application()
    app.include_router(around, prefix="/around")
    accelerate(app)
    request(app, "/nowhere")
    assert asked_count(monkeypatch, app, "/nowhere") == 2  # and for "/nowhere/"
    silent.add_api_route("/later", page)
    assert request(app, "/around/silent/later")[0] == 200


@keeps_included
def test_all_routers_that_are_asked_for_every_path_are_reported() -> None:
    silent, around = Silent(), APIRouter()
    around.include_router(silent, prefix="/silent")
    app = application()
    app.include_router(around, prefix="/around")
    (indexed,) = accelerate(app).indexed
    assert list(indexed.asked) == [app.routes[-1], around.routes[-1]]


def included_in_another(router: APIRouter) -> Any:
    """What stands for a router that is included, in no list of an accelerated application."""
    other = APIRouter()
    other.include_router(router)
    return other.routes[-1]


def append(routes: list[BaseRoute], route: BaseRoute) -> None:
    routes.append(route)


def insert(routes: list[BaseRoute], route: BaseRoute) -> None:
    routes.insert(0, route)


def replace(routes: list[BaseRoute], route: BaseRoute) -> None:
    routes[-1] = route


def replace_part(routes: list[BaseRoute], route: BaseRoute) -> None:
    routes[-1:] = [route]


def extend(routes: list[BaseRoute], route: BaseRoute) -> None:
    routes += [route]


@keeps_included
@pytest.mark.parametrize("prefix", ["", "/outer"])  # by which the router is found, whatever is in it
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("change", [append, insert, replace, replace_part, extend, None])
def test_a_router_that_gets_in_without_another_version_notes_its_changes(
    change: Any, nested: bool, prefix: str
) -> None:
    """FastAPI sees it when it changes: until then its routes count as much as those that were there before."""
    answers = []
    for accelerated in (False, True):
        outer, before, new, newer = (APIRouter() for _ in range(4))
        before.add_api_route("/before/{id}", page)
        outer.include_router(before)
        app = application()
        app.include_router(outer, prefix=prefix)
        if accelerated:
            accelerate(app)
        request(app, "/nowhere")
        if nested:
            new.include_router(newer)
        else:
            newer = new
        # Of one change, as the router in whose place it may get; of none for those that are put beside it.
        if change in (replace, replace_part):
            newer.add_api_route("/new/{id}", page)
            new._routes_version = 1 - (newer is not new)  # type: ignore[attr-defined]
        elif nested:
            new._routes_version = 0  # type: ignore[attr-defined]
        if change is None:
            outer.routes = [*outer.routes, included_in_another(new)]
        else:
            change(outer.routes, included_in_another(new))
        paths = [f"{prefix}/{path}/1" for path in ("before", "new", "newer")]
        found = [request(app, path)[0] for path in paths]
        newer.add_api_route("/newer/{id}", page)
        answers.append(found + [request(app, path)[0] for path in paths])
    assert answers[0] == answers[1]
    assert answers[0][-1] == 200


@keeps_included
def test_a_router_that_nobody_asks_after_its_change_gets_another_index() -> None:
    app, router = FastAPI(openapi_url=None), APIRouter()
    app.add_api_route("/before", page)
    for number in range(10):
        router.add_api_route(f"/{number}", page)
    app.include_router(router)
    accelerate(app)
    assert request(app, "/9")[0] == 200
    router.add_api_route("/later", page)
    for _ in range(2 * narrowing._PATIENCE):
        assert request(app, "/before")[0] == 200
    assert request(app, "/later")[0] == 200
    assert request(app, "/9")[0] == 200


def take_out(router: APIRouter) -> None:
    router.routes.pop()


def take_part_out(router: APIRouter) -> None:
    del router.routes[-1:]


def assign_without(router: APIRouter) -> None:
    router.routes = router.routes[:-1]


@keeps_included
@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("accelerated_before", [True, False])
@pytest.mark.parametrize("change", [take_out, take_part_out, assign_without])
def test_a_router_that_gets_out_without_another_version_still_counts(
    change: Any, accelerated_before: bool, depth: int
) -> None:
    """FastAPI keeps it until the version of the one around it is another, and sees its changes until then."""
    answers = []
    for accelerated in (False, True):
        app, inner = application(1), APIRouter()
        inner.routes.append(APIRoute("/before", page))  # which changes no version
        around = inner
        for _ in range(depth):
            below, around = around, APIRouter()
            around.add_api_route("/page", page)
            around.include_router(below)
            below._routes_version = 0  # type: ignore[attr-defined]
        app.include_router(around)
        if accelerated and accelerated_before:
            accelerate(app)

        def ask(app: FastAPI = app) -> list[int]:
            return [request(app, path)[0] for path in ("/page", "/before", "/later", "/resource0/item1/1")]

        statuses = [ask()]
        change(around)
        if accelerated:
            accelerate(app)
        statuses += [ask() for _ in range(2 * narrowing._PATIENCE)]
        inner.add_api_route("/later", page)
        answers.append(statuses + [ask() for _ in range(2 * narrowing._PATIENCE)])
    assert answers[0] == answers[1]
    assert answers[0][-1] == [200, 200, 200, 200]


def counting(monkeypatch: pytest.MonkeyPatch, cls: Any, name: str) -> list[Any]:
    """What a function of a class is called with from now on."""
    function, calls = getattr(cls, name), []

    def counted(self: Any, *arguments: Any) -> Any:
        calls.append((self, *arguments))
        return function(self, *arguments)

    monkeypatch.setattr(cls, name, counted)
    return calls


@keeps_included
@pytest.mark.parametrize("earlier", [True, False])
@pytest.mark.parametrize("name", ["_IncludedRouter.matches", "_IncludedRouter._match", "APIRouter.matches"])
def test_a_patched_function_of_an_included_router_is_asked_for_every_path(
    name: str, earlier: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name.endswith("_match") and not earlier:
        pytest.skip("a private name of FastAPI's is looked at when an index is built")
    app = application()
    accelerate(app)
    if not earlier:
        request(app, "/nowhere")
    cls, name = name.split(".")
    calls = counting(monkeypatch, getattr(fastapi.routing, cls), name)
    request(app, "/nowhere")
    assert len(calls) == 6  # and for "/nowhere/"


@keeps_included
def test_a_patched_matches_of_an_included_router_is_asked_for_every_path() -> None:
    app = application()
    paths: list[str] = []
    included: Any = app.routes[1]
    matches = included.matches

    def patched(scope: Any) -> Any:
        paths.append(scope["path"])
        return matches(scope)

    included.matches = patched
    (indexed,) = accelerate(app).indexed
    assert list(indexed.asked) == [included]
    request(app, "/nowhere")
    assert paths == ["/nowhere", "/nowhere/"]


class Own(list[BaseRoute]):
    """May do anything."""


@keeps_included
def test_an_included_router_whose_routes_are_no_plain_list_is_asked_for_every_path() -> None:
    router = APIRouter()
    router.add_api_route("/page", page)
    router.routes = own = Own(router.routes)
    app = application()
    app.include_router(router, prefix="/own")
    (indexed,) = accelerate(app).indexed
    assert list(indexed.asked) == [app.routes[-1]]
    assert router.routes is own
    assert request(app, "/own/page")[0] == 200


@keeps_included
def test_an_included_router_with_an_index_equals_what_it_did_before() -> None:
    router = APIRouter()
    for number in range(9):
        router.add_api_route(f"/{number}", page)
    app = FastAPI(openapi_url=None)
    app.include_router(router)
    app.include_router(router)
    accelerate(app)
    request(app, "/nowhere")
    app.include_router(router)
    app.include_router(router, prefix="/other")
    request(app, "/nowhere")
    first, second, third, other = app.routes
    assert type(first) is type(second) is not type(third)
    assert first == second == third == first != other
    assert first != router
    assert app.routes.index(third) == 0


@keeps_included
def test_a_router_that_is_included_while_an_index_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    """It does not say when it changes: its turn is as that of the one around it, which was looked at before."""
    silent, around, app, version_of = Silent(), APIRouter(), application(), _fastapi.routes_version
    silent.add_api_route("/page", page)
    app.include_router(around, prefix="/around")
    accelerate(app)

    def changing(included: Any) -> Any:
        version = version_of(included)
        if included.original_router is around and not around.routes:
            around.include_router(silent, prefix="/silent")
        return version

    monkeypatch.setattr(_fastapi, "routes_version", changing)
    assert request(app, "/around/silent/page")[0] == 200
    silent.add_api_route("/later", page)
    assert request(app, "/around/silent/later")[0] == 200


@keeps_included
def test_an_included_router_of_an_unknown_class_is_asked_for_every_path(monkeypatch: pytest.MonkeyPatch) -> None:
    class Counting(fastapi.routing._IncludedRouter):
        count = 0

        def _match(self, scope: Any) -> Any:
            type(self).count += 1
            return super()._match(scope)

    app = application()
    app.routes[-1].__class__ = Counting
    accelerate(app)
    request(app, "/nowhere")
    assert (Counting.count, type(app.routes[-1])) == (2, Counting)  # and for "/nowhere/"
    assert asked_count(monkeypatch, app, "/nowhere") == 2 * 10
    assert request(app, "/resource2/item9/1")[0] == 200


@keeps_included
def test_an_included_router_whose_list_cannot_be_built_fails_in_its_turn() -> None:
    answers = []
    for accelerated in (False, True):
        app, router = application(1), APIRouter()
        router.add_api_route("/{id}", page)
        app.include_router(router, prefix="/twice/{id}")
        app.add_api_route("/after", page)
        if accelerated:
            (indexed,) = accelerate(app).indexed
            assert list(indexed.asked) == [router.routes[0]]
        answers.append([request(app, "/resource0/item1/1")])
        for path in ("/twice/1/2", "/after", "/nowhere"):
            with pytest.raises(ValueError, match="Duplicated param name id") as failed:
                request(app, path)
            answers[-1].append(str(failed.value))
    assert answers[0] == answers[1]


@keeps_included
def test_a_list_that_cannot_be_built_any_more_fails_in_its_turn() -> None:
    answers = []
    for accelerated in (False, True):
        app, router = FastAPI(openapi_url=None), APIRouter()
        app.add_api_route("/before", page)
        router.add_api_route("/page", page)
        app.include_router(router, prefix="/in/{id}")
        if accelerated:
            accelerate(app)
        answers.append([request(app, "/before"), request(app, "/in/1/page")])
        router.add_api_route("/{id}", page)
        for _ in range(2 * narrowing._PATIENCE):
            answers[-1].append(request(app, "/before"))
        with pytest.raises(ValueError, match="Duplicated param name id"):
            request(app, "/in/1/page")
    assert answers[0] == answers[1]


@keeps_included
def test_of_the_routes_that_are_not_fastapis_those_that_it_includes_are_shown() -> None:
    class Own(BaseRoute):
        def matches(self, scope: Any) -> Any:
            return Match.FULL, {"endpoint": page}

    app, router = application(1), APIRouter()
    host = Host("example.org", Router([Route("/", page)]))
    router.routes += [host, Own(), Mount("/mounted", page), Route("/route", page)]
    app.include_router(router, prefix="/in")
    indexed, _of_host = accelerate(app).indexed
    assert "13 routes" in str(indexed)
    assert list(indexed.asked) == [host]
    # FastAPI leaves the one out whose class it does not know.
    assert request(app, "/nowhere")[0] == 404
    assert request(app, "/", headers={"host": "example.org"})[0] == 404
    assert request(app, "/in/route")[0] == 200


@pytest.fixture
def tried_again() -> Iterator[None]:
    """Another FastAPI in this test: it is tried in it, and the real one is tried again afterwards."""
    probe.reason_against_narrowing.cache_clear()
    yield
    probe.reason_against_narrowing.cache_clear()


def test_a_fastapi_that_answers_differently_is_left_alone(monkeypatch: pytest.MonkeyPatch, tried_again: None) -> None:
    monkeypatch.setattr(narrowing, "other_slash", lambda scope, path: {**scope, "path": "/elsewhere"})
    app = application()
    (left,) = accelerate(app).left
    assert "answers differently, as for http GET" in left.reason
    assert type(app.router) is APIRouter


@keeps_included
@pytest.mark.parametrize("name", ["_get_fastapi_scope", "_IncludedRouter", "_EffectiveRouteContext"])
def test_a_fastapi_without_a_private_name_is_left_alone(
    name: str, monkeypatch: pytest.MonkeyPatch, tried_again: None
) -> None:
    monkeypatch.delattr(f"fastapi.routing.{name}")
    (left,) = accelerate(FastAPI()).left
    assert left.reason.endswith(f"is not known: it has no {name}")


def test_a_fastapi_that_fails_is_left_alone(monkeypatch: pytest.MonkeyPatch, tried_again: None) -> None:
    def mount(*arguments: Any) -> None:
        raise NotImplementedError("no mounts")

    monkeypatch.setattr(APIRouter, "mount", mount)
    app = application()
    (left,) = accelerate(app).left
    assert left.reason.endswith("is not known: it fails when it is tried: NotImplementedError('no mounts')")
    assert type(app.router) is APIRouter


def test_a_fastapi_that_waits_cannot_be_tried(monkeypatch: pytest.MonkeyPatch, tried_again: None) -> None:
    original, closed = APIRouter.app, []

    async def app(self: Any, scope: Any, receive: Any, send: Any) -> None:
        try:
            await asyncio.sleep(0)
        finally:
            closed.append(self)
        await original(self, scope, receive, send)

    monkeypatch.setattr(APIRouter, "app", app)
    (left,) = accelerate(application()).left
    assert left.reason.endswith("it fails when it is tried: RuntimeError('it waits for something')")
    assert len(closed) == 1


def test_a_fastapi_that_receives_and_fails_as_without_an_index_is_narrowed(
    monkeypatch: pytest.MonkeyPatch, tried_again: None
) -> None:
    original = APIRouter.app

    async def app(self: Any, scope: Any, receive: Any, send: Any) -> None:
        scope["received"] = (await receive())["type"]
        await original(self, scope, receive, send)
        if scope["path"] == "/inner/talk":
            raise LookupError("no talk")

    monkeypatch.setattr(APIRouter, "app", app)
    narrowed = application()
    assert not accelerate(narrowed).left
    assert request(narrowed, "/resource2/item9/1")[0] == 200


@keeps_included
def test_code_of_fastapi_finds_itself_of_its_own_class(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    app, match = APIRouter.app, fastapi.routing._IncludedRouter._match

    async def asking(self: Any, scope: Any, receive: Any, send: Any) -> None:
        seen.append((isinstance(self, APIRouter), self.prefix))
        await app(self, scope, receive, send)

    def asking_included(self: Any, scope: Any) -> Any:
        seen.append((isinstance(self, fastapi.routing._IncludedRouter), self.include_context.prefix))
        return match(self, scope)

    narrowed = application()
    accelerate(narrowed)
    request(narrowed, "/nowhere")
    monkeypatch.setattr(APIRouter, "app", asking)
    monkeypatch.setattr(fastapi.routing._IncludedRouter, "_match", asking_included)
    assert request(narrowed, "/resource2/item9/1")[0] == 200
    assert seen == [(True, ""), (True, "/resource2"), (True, "/resource2")]  # to match, and to handle


@keeps_included
def test_accelerating_builds_no_list_of_fastapi() -> None:
    app = application()
    report = accelerate(app)
    assert "30 routes with those of 3 included routers" in str(report)
    assert not any(route._effective_candidates for route in app.routes)  # type: ignore[attr-defined]


def test_lifespan_and_url_path_for() -> None:
    app = application()
    expected = app.url_path_for("page", id="1")
    accelerate(app)
    request(app, "/nowhere")
    assert app.url_path_for("page", id="1") == expected
    with pytest.raises(AssertionError):
        request(app.router, "/", type="other")
    assert http_scope("/")["type"] == "http"


@keeps_included
def test_the_routes_of_included_routers_are_shown_with_their_lookup() -> None:
    class Own(APIRoute):
        def matches(self, scope: Any) -> Any:
            return super().matches(scope)

    app = application(2, 2)
    own = APIRouter(route_class=Own)
    own.add_api_route("/own/{id}", page)
    own.add_api_websocket_route("/talk", page)
    app.include_router(own, prefix="/in")
    report = accelerate(app)
    shown = [(entry.kind, entry.path, routes._lookup(entry, app.router)) for entry in walk(entries(app))]
    always = [entry for entry in shown if entry[2] == "always"]
    assert always == [("included", "/in", "always"), ("http", "/in/own/{id}", "always")]
    assert {lookup for _, _, lookup in shown} == {"index", "always"}
    assert list(report.indexed[0].asked) == [own.routes[0]]


@keeps_included
def test_an_included_router_is_named_without_its_routes() -> None:
    class Picky(APIRouter):
        def matches(self, scope: Any) -> Any:
            return super().matches(scope)

    app = application(2, 2)
    picky = Picky()
    picky.add_api_route("/a", page)
    app.include_router(picky, prefix="/in")
    assert str(accelerate(app)).endswith("1 of them asked for every path: Picky included at '/in'")


@pytest.mark.parametrize(
    ("paths", "asked"),
    [
        (["/a", "/b", "/c"], 3),
        (["/a", "/b", "/c", "/d"], 0),
        (["/a", "/b", "/{path:path}/c", "/{path:path}/d"], 2),
        (["/a", "/{path:path}/b", "/{path:path}/c", "/{path:path}/d"], 4),
    ],
)
def test_a_list_is_scanned_if_a_lookup_saves_nothing(
    paths: list[str], asked: int, monkeypatch: pytest.MonkeyPatch, scanning: None
) -> None:
    app = FastAPI(openapi_url=None, redirect_slashes=False)
    for path in paths:
        app.add_api_route(path, page)
    accelerate(app)
    request(app, "/nowhere")
    assert asked_count(monkeypatch, app, "/nowhere") == asked


@keeps_included
def test_an_included_router_of_few_routes_is_asked_for_all_of_them(
    monkeypatch: pytest.MonkeyPatch, scanning: None
) -> None:
    app = application(1, 6)
    accelerate(app)
    request(app, "/nowhere")
    assert asked_count(monkeypatch, app, "/resource0/item5/1") == 12  # to match, and to handle
    app = application(1, 7)
    accelerate(app)
    request(app, "/nowhere")
    assert asked_count(monkeypatch, app, "/resource0/item5/1") == 2


def index_of(app: FastAPI) -> Any:
    return app.router._fastroute_index  # type: ignore[attr-defined]  # it is accelerated


def settled() -> FastAPI:
    """An accelerated application that has its index."""
    app = application()
    accelerate(app)
    request(app, "/nowhere")
    return app


def replace_last(routes: Any, route: Any) -> None:
    routes[-1] = route


@pytest.mark.parametrize(
    "put",
    [
        RouteList.append,
        pytest.param(list.append, id="only the length tells"),
        pytest.param(replace_last, id="the length stays"),
    ],
)
def test_each_change_starts_the_wait_anew(put: Any) -> None:
    app = settled()
    before = index_of(app)

    def change(path: str) -> None:
        put(app.router.routes, APIRoute(path, page))

    change("/first")
    for _ in range(5):
        assert request(app, "/first")[0] == 200
    change("/second")
    for _ in range(8):
        assert request(app, "/second")[0] == 200
        assert index_of(app) is before
    request(app, "/second")
    assert index_of(app) is not before


def test_a_quiet_router_is_not_compared_again(monkeypatch: pytest.MonkeyPatch) -> None:
    app = settled()

    def renewed(self: Any) -> Any:
        raise AssertionError("nothing has changed")

    monkeypatch.setattr(narrowing.NarrowedRouter, "_fastroute_renewed", renewed)
    assert request(app, "/nowhere")[0] == 404


def in_thread(function: Any) -> Any:
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_fastapi_scans_while_another_thread_builds() -> None:
    app = application()
    accelerate(app)
    with narrowing._BUILDING:
        assert in_thread(lambda: request(app, "/resource0/item0/1")[0]) == 200
        assert index_of(app) is None
    assert request(app, "/resource0/item0/1")[0] == 200
    assert index_of(app) is not None

    def may_build() -> bool:
        if not narrowing._BUILDING.acquire(blocking=False):
            return False
        narrowing._BUILDING.release()
        return True

    assert in_thread(may_build)


def test_an_index_cannot_be_changed() -> None:
    for thing in (index_of(settled()), narrowing._LowPriority([], ())):
        with pytest.raises(dataclasses.FrozenInstanceError):
            thing.editions = None
        assert not hasattr(thing, "__dict__")
        assert copy.copy(thing) is None


def test_a_list_that_is_assigned_notes_its_changes() -> None:
    app = settled()
    app.router.routes = [Route("/a", page)]
    assert request(app, "/a")[0] == 200
    kept = app.router.routes
    app.router.routes = kept
    assert app.router.routes is kept
    for _ in range(10):
        assert request(app, "/b")[0] == 404
    app.router.routes[0] = Route("/b", page)
    assert request(app, "/b")[0] == 200


@keeps_included
def test_the_dict_of_fastapi_in_a_scope_does_not_make_it_scan(monkeypatch: pytest.MonkeyPatch) -> None:
    assert asked_count(monkeypatch, settled(), "/resource2/item9/1", fastapi={}) == 2


def test_the_router_in_a_scope_stays() -> None:
    app, outer = settled(), object()
    left: list[Any] = []

    async def note(request: Request) -> PlainTextResponse:
        left.append(request.scope["router"])
        return PlainTextResponse("")

    app.router.routes[:] = [Route("/a", note)]
    for _ in range(10):
        request(app.router.app, "/a", router=outer)
        request(app.router.app, "/a")
    assert left[-2] is outer
    assert left[-1] is app.router


def test_fastapi_reads_and_writes_the_router_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    original, seen = APIRouter.app, []

    async def app(self: Any, scope: Any, receive: Any, send: Any) -> None:
        seen.append((isinstance(self, APIRouter), self.prefix, self.on_startup is router.on_startup))
        self.written = True
        await original(self, scope, receive, send)

    monkeypatch.setattr(APIRouter, "app", app)
    router = APIRouter(prefix="/p")
    router.routes.append(Route("/p/a", page))
    assert narrowing.narrow(router) is None
    assert request(router.app, "/p/a")[0] == 200
    assert request(router.app, "/p/a")[0] == 200
    assert seen == [(True, "/p", True)] * 2
    assert vars(router)["written"]


@pytest.mark.parametrize("path", ["/root/a", "/root/b/", "/a", "/b/", "/root", "/root/", "/root/a//", "/rooted/a"])
@pytest.mark.parametrize("root_path", ["", "/root"])
def test_the_other_slash_below_a_root_path(path: str, root_path: str) -> None:
    answers = []
    for accelerated in (False, True):
        app = FastAPI(openapi_url=None)
        app.add_route("/a/", page)
        app.add_route("/b", page)
        app.add_route("/root/c", page)
        if accelerated:
            accelerate(app)
        answers.append([request(app.router.app, path, root_path=root_path) for _ in range(2)])
    assert answers[0] == answers[1]


class OwnDefault(APIRouter):
    """Keeps what is assigned, and shows something else."""

    @property
    def default(self) -> Any:
        return PlainTextResponse("own default", 404)

    @default.setter
    def default(self, default: Any) -> None:
        vars(self)["default"] = default


def test_a_router_with_a_property_of_its_own_is_left_with_the_reason() -> None:
    router = OwnDefault()
    (left,) = accelerate(router).left
    assert left.reason == f"{__name__}.OwnDefault has `default` of its own"
    assert request(router, "/nowhere") == (404, "own default")


@keeps_included
@pytest.mark.parametrize("attribute", ["_get_routes_version", "_mark_routes_changed", "_iter_low_priority_routes"])
def test_a_router_with_a_method_of_its_own_is_left_with_the_reason(attribute: str) -> None:
    if not hasattr(APIRouter, attribute):
        pytest.skip("this FastAPI has no such method")
    own = type("Own", (APIRouter,), {attribute: lambda self: ()})
    (left,) = accelerate(own()).left
    assert left.reason == f"{__name__}.Own has `{attribute}` of its own"


def test_the_requests_that_can_match_in_a_route(implementation: str) -> None:
    routing = _fastapi.routing()
    reader = Reader(routing)

    async def talk(websocket: WebSocket) -> None: ...

    app = PlainTextResponse("")
    found: list[Any] = [
        reader.reach(route)[:2]
        for route in (
            Route("/a", page),
            APIRoute("/a", page),
            WebSocketRoute("/a", talk),
            fastapi.routing.APIWebSocketRoute("/a", talk),
            # A route whose twin was exchanged has a function that was put there, about which nothing is certain.
            APIWebSocketRoute("/a", talk) if implementation == IMPLEMENTATION else WebSocketRoute("/a", talk),
            Mount("/a", app),
            Host("a", app),
        )
    ]
    http, http_of_api, *sockets, mount, host = found
    assert http == http_of_api == (sockets[0][1], ())
    assert http[0] is not None
    assert len(http[0]) == 1
    assert sockets == [((), http[0])] * 3
    assert mount[0] == mount[1] != http[0]
    assert mount[0] is not None
    assert host == (None, None)


@keeps_included
def test_a_version_that_comes_again_may_be_that_of_another_list() -> None:
    """FastAPI adds the versions of the routers below: one less below and one more change are the same sum."""
    answers = []
    for accelerated in (False, True):
        app, around, inner = application(1), APIRouter(), APIRouter()
        inner.add_api_route("/page", page)
        for number in range(10):
            around.add_api_route(f"/{number}", page)
        around.include_router(inner, prefix="/inner")
        app.include_router(around)
        if accelerated:
            accelerate(app)

        def ask(app: FastAPI = app) -> list[Any]:
            return [request(app, path) for path in ("/inner/page", "/9", "/new")]

        first, version = ask(), _fastapi.routes_version(app.routes[-1])
        around.routes.pop()
        second = ask()
        around.add_api_route("/new", page)
        assert _fastapi.routes_version(app.routes[-1]) == version
        answers.append([first, second, ask(), ask()])
    assert answers[0] == answers[1]
    assert [status for status, _ in answers[1][-1]] == [404, 200, 200]


@keeps_included
def test_a_name_that_a_mount_and_its_prefix_both_have() -> None:
    """FastAPI cannot build the list, which fails at each request."""
    app, router = FastAPI(openapi_url=None), APIRouter()
    router.routes += [Mount("/mounted", page), Route("/route", page)]
    app.include_router(router, prefix="/in/{path}")
    (indexed,) = accelerate(app).indexed
    assert list(indexed.asked) == router.routes[:1]


def test_a_router_with_routes_of_its_own_is_left_with_the_reason() -> None:
    (left,) = accelerate(Keeping()).left
    assert left.reason == f"{__name__}.Keeping has `routes` of its own"


@keeps_included
def test_which_routes_an_index_finds_below_a_prefix() -> None:
    class Own(Route):
        def matches(self, scope: Any) -> Any:
            return super().matches(scope)

    class OwnMount(Mount):
        def matches(self, scope: Any) -> Any:
            return super().matches(scope)

    class OwnApi(APIRoute):
        def matches(self, scope: Any) -> Any:
            return super().matches(scope)

    replaced = APIRoute("/replaced", page)
    replaced.matches = APIRoute("/replaced", page).matches  # type: ignore[method-assign]
    app = PlainTextResponse("")
    # Of a route of Starlette's FastAPI makes a new one, of Starlette's own class.
    by_path = [Route("/route", page), APIRoute("/api", page), Own("/own", page), Mount("/mount", app)]
    asked = [Host("host", app), OwnMount("/own", app), OwnApi("/own", page), replaced]
    router, inner = FastAPI(openapi_url=None).router, APIRouter()
    inner.routes += [*by_path, *asked]
    router.include_router(inner, prefix="/in/{x}")
    (indexed,) = accelerate(router).indexed
    assert list(indexed.asked) == asked
    assert indexed.routes == len(by_path) + len(asked)


@keeps_included
def test_the_prefixes_of_all_routers_around_a_route_are_before_its_path() -> None:
    app, around, inner = FastAPI(openapi_url=None), APIRouter(), APIRouter()
    inner.add_api_route("/{id}", page)  # FastAPI cannot declare a name twice in one path
    inner.add_api_route("/{other}", page)
    around.include_router(inner, prefix="/inner")
    app.include_router(around, prefix="/around/{id}")
    (indexed,) = accelerate(app).indexed
    assert list(indexed.asked) == [inner.routes[0]]


def test_a_route_whose_regex_was_replaced_is_asked_for_every_path() -> None:
    app = FastAPI(openapi_url=None)
    app.add_api_route("/page", page)
    app.add_api_websocket_route("/talk", page)
    for route in app.routes:
        route.path_regex = re.compile("^/other$")  # type: ignore[attr-defined]
    app.add_api_route("/found", page)
    (indexed,) = accelerate(app).indexed
    assert list(indexed.asked) == app.routes[:2]


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_fastapi_is_given_the_routes_that_can_match(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[str] = []

    async def app(self: Any, scope: Any, receive: Any, send: Any) -> None:
        given.extend(route.path for route in self.routes)

    monkeypatch.setattr(APIRouter, "app", app)
    router = APIRouter()
    for name in "abc":
        router.routes += [Route(f"/{name}/{{id}}", page), WebSocketRoute(f"/{name}/{{id}}", page)]
    assert narrowing.narrow(router) is None
    anyio.run(router.app, http_scope("/b/1", type=kind), None, None)
    assert given == ["/b/{id}"]


USER, USERS, GROUP, TALK = [(shape_of(Route(path, page)),) for path in ("/a/user", "/a/users", "/b/group", "/b/talk")]


@pytest.mark.parametrize(
    ("paths", "found"),
    [
        # Each list has what is below its first segment.
        ([(*USER, *USERS), (*GROUP, *TALK)], {"/a/user": [0], "/a/else": [0], "/b/else": [1], "/else": []}),
        # Two share it.
        ([USER, USERS], {"/a/user": [0], "/a/users": [1], "/a/else": []}),
        ([USER, USERS, GROUP], {"/a/users": [1], "/a/else": [], "/b/else": [2]}),
        # One that is not known is asked for every path, and takes nothing from the others.
        ([None, GROUP], {"/a/user": [0], "/b/else": [0, 1]}),
        # The segments differ before anything is shared.
        ([(*USER, *GROUP)], {"/a/else": [0], "/b/else": [0], "/else": []}),
    ],
)
def test_included_routers_are_found_by_the_shortest_beginnings_that_no_other_has(
    paths: list[Any], found: dict[str, list[int]]
) -> None:
    table = tables.table_of(paths, True)
    assert {path: list(dict.fromkeys(table.candidates(path))) for path in found} == found


def test_without_included_routers_whole_paths_are_found() -> None:
    table = tables.table_of([(*USER, *USERS), GROUP], False)
    assert [table.candidates(path) for path in ("/a/users", "/a/else", "/b/group", "/b/else")] == [[0], [], [1], []]


@keeps_included
@pytest.mark.parametrize("paths", [1, 10])
def test_a_route_that_an_included_router_gets_later_is_found(paths: int) -> None:
    app, router = FastAPI(openapi_url=None), APIRouter()
    for path in range(paths):
        router.add_api_route(f"/item{path}/{{id}}", page)
    app.include_router(router, prefix="/in")
    accelerate(app)
    for later in range(2):
        request(app, "/nowhere")
        router.add_api_route(f"/later{later}/{{id}}", page)
        for _ in range(10):
            assert [request(app, f"/in/{path}/1")[0] for path in ("item0", f"later{later}", "other")] == [200, 200, 404]


@keeps_included
@pytest.mark.parametrize("silent_first", [False, True])
def test_a_router_that_includes_one_that_does_not_say_when_it_changes(silent_first: bool) -> None:
    silent, plain, outer = Silent(), APIRouter(), APIRouter()
    for router in (silent, plain):
        router.add_api_route("/page", page)
    included = [(silent, "/silent"), (plain, "/plain")]
    for router, prefix in included if silent_first else included[::-1]:
        outer.include_router(router, prefix=prefix)
    app = application()
    app.include_router(outer, prefix="/outer")
    accelerate(app)
    for _ in range(10):
        assert request(app, "/outer/silent/later")[0] == 404
    silent.add_api_route("/later", page)
    assert request(app, "/outer/silent/later")[0] == 200


def _property(name: str) -> Any:
    """It could be another value each time."""
    return property(lambda self: vars(self)[name], lambda self, value: vars(self).__setitem__(name, value))


@pytest.mark.parametrize("name", ["path", "path_regex", "param_convertors", "__getattribute__", "matches", None])
def test_nothing_is_certain_about_a_class_that_computes_what_it_declares(name: str | None) -> None:
    routing = _fastapi.routing()
    own = {"__getattribute__": lambda self, name: object.__getattribute__(self, name), "matches": lambda *_: None}
    cls = type("Own", (APIRoute,), {name or "other": own.get(name or "", _property(name or "other"))})
    route = cls("/a", page)
    assert Reader(routing).finds(route) is (name is None)
    plain = APIRoute("/a", page)
    assert Reader(routing).finds(plain)
    plain.matches = route.matches  # type: ignore[method-assign]
    assert not Reader(routing).finds(plain)


class Writing(BaseRoute):
    """Matches nothing, and moves a request elsewhere."""

    def __init__(self, **items: str) -> None:
        self.items = items

    def matches(self, scope: Any) -> Any:
        if scope["path"] == "/root/asked":
            scope.update(self.items)
        return Match.NONE, {}


@pytest.mark.parametrize(
    "items",
    [{}, {"path": "/root/moved"}, {"path": "/root/after"}, {"root_path": ""}, {"path": "/moved", "root_path": ""}],
)
@pytest.mark.parametrize("included", [False, True])
def test_a_route_that_writes_into_the_scope(items: dict[str, str], included: bool) -> None:
    answers = []
    for accelerated in (False, True):
        app, router = FastAPI(openapi_url=None), APIRouter()
        for path in ("/before", "/moved", "/asked/never", "/root/never"):
            router.add_route(path, page)
        if included:
            app.include_router(router)
        app.router.routes.append(Writing(**items))
        for path in ("/after", "/moved", "/root/asked", "/root/moved"):
            app.add_route(path, page)
        if accelerated:
            accelerate(app)
        paths = ("/root/asked", "/root/after", "/root/before", "/root/moved")
        answers.append([[request(app.router.app, path, root_path="/root") for path in paths] for _ in range(2)])
    assert answers[0] == answers[1]
    assert answers[1][0] == answers[1][1]


@pytest.mark.skipif(not hasattr(APIRouter, "_iter_low_priority_routes"), reason="this FastAPI has none of low priority")
def test_routes_of_low_priority_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    app = settled()
    router: Any = app.router
    original, built = APIRouter._iter_low_priority_routes, []

    def counting(self: Any) -> Any:
        built.append(self)
        return original(self)

    monkeypatch.setattr(APIRouter, "_iter_low_priority_routes", counting)
    for name in ("files", "more"):
        router._low_priority_routes.append(Route(f"/{name}/{{path:path}}", page))
        router._mark_routes_changed()
        for _ in range(10):
            assert request(app, f"/{name}/a")[0] == 200
            assert request(app, "/nowhere")[0] == 404
        built.clear()
        assert request(app, f"/{name}/a")[0] == 200
        assert not built
    assert request(app, "/files/a")[0] == 200
    router._low_priority_routes.clear()
    router._mark_routes_changed()
    assert [request(app, "/files/a")[0] for _ in range(10)] == [404] * 10


@pytest.mark.skipif(not hasattr(APIRouter, "_iter_low_priority_routes"), reason="this FastAPI has none of low priority")
def test_routes_of_low_priority_of_a_router_that_does_not_say_when_it_changes() -> None:
    app, silent = application(), Silent()
    silent.add_api_route("/page", page)
    app.include_router(silent, prefix="/silent")
    accelerate(app)
    for _ in range(10):
        assert request(app, "/silent/files/a")[0] == 404
    low_priority: Any = silent
    low_priority._low_priority_routes.append(APIRoute("/files/{path:path}", page))
    low_priority._mark_routes_changed()
    assert request(app, "/silent/files/a")[0] == 200
