"""Routers of other people, with an index by accelerate(): their names, classes and copies stay theirs."""

import copy
import pickle
from collections.abc import Callable
from typing import Any, ClassVar, cast

import pytest
from asgi import request
from starlette import routing
from starlette.applications import Starlette
from starlette.endpoints import HTTPEndpoint
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from websocket_client import connect, websocket_scope

from fastroute import Router, accelerate
from fastroute.indexing.index_router import IndexRouter


async def page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"{request.url.path} {request.path_params}")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.close(4000, "done")


#: Every name that fastroute's own Router has besides Starlette's, and more that frameworks like to use.
OWN_NAMES = sorted(
    name
    for name in {*dir(Router()), "tags", "on_startup", "index", "tables", "check", "_index", "_routes", "edition"}
    - set(dir(routing.Router()))
    if not name.startswith(("_fastroute_", "__"))
)
assert {"prefix", "dependencies", "dependency_overrides_provider", "include_router", "websocket"} <= set(OWN_NAMES)


def as_class_attribute(name: str) -> Any:
    return type("Own", (routing.Router,), {name: "mine"})


def as_slot(name: str) -> Any:
    return type("Own", (routing.Router,), {"__slots__": (name,)})


def as_property(name: str) -> Any:
    return type("Own", (routing.Router,), {name: property(lambda self: "mine")})


def as_method(name: str) -> Any:
    return type("Own", (routing.Router,), {name: lambda self: "mine"})


def as_annotation(name: str) -> Any:
    return type("Own", (routing.Router,), {"__annotations__": {name: str}})


@pytest.mark.parametrize("name", OWN_NAMES)
@pytest.mark.parametrize("declare", [as_class_attribute, as_slot, as_property, as_method, as_annotation])
def test_a_name_of_a_subclass_means_nothing_to_the_index(declare: Callable[[str], Any], name: str) -> None:
    def made() -> Any:
        router = declare(name)([Route("/page", page), Mount("/inner", routes=[Route("/page", page)])])
        if declare in (as_slot, as_annotation):
            setattr(router, name, "/api")
        return router

    router, untouched = made(), made()
    assert len(accelerate(router).indexed) == 2
    for one in (router, untouched):
        one.add_route("/late", page)
        one.add_websocket_route("/talk", talk)
        one.mount("/mounted", Starlette(routes=[Route("/page", page)]))
        one.host("example.org", Starlette(routes=[Route("/hosted", page)]))
    for path in ("/page", "/page/", "/inner/page", "/late", "/mounted/page", "/nowhere", "/api/page", "/api/late"):
        assert request(router, path) == request(untouched, path)
    hosted = {"headers": {"host": "example.org"}}
    assert request(router, "/hosted", **hosted) == request(untouched, "/hosted", **hosted)
    assert connect(router, websocket_scope("/talk")) == connect(untouched, websocket_scope("/talk"))
    value, expected = getattr(router, name), getattr(untouched, name)
    assert value() == expected() == "mine" if declare is as_method else value == expected


@pytest.mark.parametrize("name", OWN_NAMES)
def test_an_attribute_of_an_instance_means_nothing_to_the_index(name: str) -> None:
    router: Any = routing.Router([Route("/page", page)])
    setattr(router, name, ["/api", object()])
    kept = getattr(router, name)
    accelerate(router)
    router.add_route("/late", page)
    assert getattr(router, name) is kept
    assert request(router, "/page")[0] == request(router, "/late")[0] == 200
    assert request(router, "/api/page")[0] == 404


def test_the_index_adds_no_name_that_is_not_fastroutes() -> None:
    router = routing.Router()
    accelerate(router)
    added = set(dir(router)) - set(dir(routing.Router())) - {"__annotations__", "__annotate_func__"}
    assert added
    assert all(name.startswith("_fastroute_") for name in added)
    assert not {"prefix", "dependencies"} & set(dir(router))


class Prefixing(routing.Router):
    """A router with prefix, dependencies and registering methods of its own, which mean something else."""

    prefix = "/api"
    dependencies = ("not", "ours")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.dependency_overrides_provider = object()

    def add_route(self, path: str, *args: Any, **kwargs: Any) -> None:
        super().add_route(self.prefix + path, *args, **kwargs)

    def mount(self, path: str, app: ASGIApp, name: str | None = None) -> None:
        super().mount(self.prefix + path, app, name)

    def websocket(self, path: str, endpoint: Any) -> None:
        super().add_websocket_route(self.prefix + path, endpoint)

    def include_router(self, router: routing.Router) -> int:
        self.routes.extend(router.routes)
        return len(router.routes)


def test_methods_of_a_subclass_put_the_prefix_in_once() -> None:
    router = Prefixing()
    accelerate(router)
    router.add_route("/one", page)
    router.mount("/two", routing.Router([Route("/page", page)]))
    router.websocket("/talk", talk)
    assert router.include_router(routing.Router([Route("/bare", page)])) == 1
    assert request(router, "/api/one")[0] == request(router, "/api/two/page")[0] == request(router, "/bare")[0] == 200
    assert request(router, "/api/api/one")[0] == request(router, "/one")[0] == 404
    assert [message["type"] for message in connect(router, websocket_scope("/api/talk"))][:1] == ["websocket.accept"]


class Outer:
    class Nested(routing.Router):
        """Documented."""


@pytest.mark.parametrize("cls", [Prefixing, Outer.Nested])
def test_the_class_keeps_its_name_and_its_place(cls: type[routing.Router]) -> None:
    router = cls([Route("/page", page)])
    accelerate(router)
    now = type(router)
    assert isinstance(router, cls)
    assert issubclass(now, cls)
    assert (now.__name__, now.__qualname__, now.__module__) == (cls.__name__, cls.__qualname__, cls.__module__)
    assert now.__doc__ == cls.__doc__
    assert repr(router).startswith(f"<{cls.__module__}.{cls.__qualname__} object")


def test_routers_of_one_class_stay_of_one_class() -> None:
    first, second = Prefixing(), Prefixing()
    accelerate(first)
    accelerate(second)
    assert type(first) is type(second)
    assert isinstance(first, type(second))


class Page(HTTPEndpoint):
    """Starlette wraps a function, and such a wrapper cannot be pickled."""

    async def get(self, request: Request) -> PlainTextResponse:
        return await page(request)


def by_pickle(router: Any) -> Any:
    return pickle.loads(pickle.dumps(router))


def by_oldest_pickle(router: Any) -> Any:
    return pickle.loads(pickle.dumps(router, 0))


COPIES = [by_pickle, by_oldest_pickle, copy.copy, copy.deepcopy]


class WithState(routing.Router):
    """Pickles with methods of its own."""

    def __getstate__(self) -> dict[str, Any]:
        return dict(vars(self))

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


class WithReduce(routing.Router):
    def __reduce__(self) -> Any:
        return type(self), (list(self.routes),)


class WithNew(routing.Router):
    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        router = super().__new__(cls)
        router.made = "by __new__"
        return router


class WithNewArguments(routing.Router):
    def __getnewargs_ex__(self) -> Any:
        return (), {}


CLASSES = [routing.Router, Prefixing, Outer.Nested, WithState, WithReduce, WithNew, WithNewArguments]


@pytest.mark.twins
@pytest.mark.parametrize("duplicate", COPIES)
@pytest.mark.parametrize("cls", CLASSES)
@pytest.mark.parametrize("started", [False, True])
def test_a_copy_is_indexed_and_independent_of_the_tables(cls: Any, duplicate: Any, started: bool) -> None:
    router = cls([Route("/page/{p}", Page), Mount("/inner", routes=[Route("/page", Page)])])
    accelerate(router)
    if started:
        assert request(router, "/page/1")[0] == 200
    copied = duplicate(router)
    assert type(copied) is type(router)
    assert isinstance(copied, IndexRouter)
    assert len(copied.routes) == 2
    assert request(copied, "/page/1") == request(router, "/page/1") == (200, "/page/1 {'p': '1'}")
    assert request(copied, "/inner/page")[0] == 200
    copied.routes.append(Route("/late", Page))
    assert request(copied, "/late")[0] == 200
    assert getattr(copied, "made", None) == getattr(router, "made", None)


class Text(routing.Router):
    def __reduce__(self) -> str:
        return "THE_ROUTER"


THE_ROUTER = Text([Route("/page", Page)])


def test_a_router_that_is_pickled_as_a_global_stays_one() -> None:
    accelerate(THE_ROUTER)
    assert by_pickle(THE_ROUTER) is THE_ROUTER


class Raising(type):
    def __new__(cls, name: str, bases: tuple[type, ...], names: dict[str, Any]) -> Any:
        if len(bases) > 1:
            raise LookupError("only one base")
        return super().__new__(cls, name, bases, names)


class Strict(routing.Router, metaclass=Raising):
    pass


class Final(routing.Router):
    def __init_subclass__(cls) -> None:
        raise LookupError("no subclass of Final")


class Frozen:
    """Middleware whose attributes cannot be assigned."""

    def __init__(self, app: ASGIApp) -> None:
        vars(self)["app"] = app

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("frozen")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.app(scope, receive, send)

    app: ASGIApp


class OwnStack(routing.Router):
    @property
    def middleware_stack(self) -> Any:
        return self.kept

    @middleware_stack.setter
    def middleware_stack(self, stack: Any) -> None:
        self.kept = stack


@pytest.mark.parametrize(
    ("router", "reason"),
    [
        (Strict([Route("/page", page)]), "only one base"),
        (Final([Route("/page", page)]), "no subclass of Final"),
        (
            routing.Router([Route("/page", page)], middleware=[Middleware(cast(Any, Frozen))]),
            "cannot be assigned: frozen",
        ),
        (OwnStack([Route("/page", page)]), "`middleware_stack` of its own"),
    ],
)
def test_a_router_that_cannot_be_indexed_is_left_as_it_was(router: routing.Router, reason: str) -> None:
    cls, names = type(router), dict(vars(router))
    for _ in range(2):  # the class that was refused lingers among the subclasses
        (left,) = accelerate(router).left
        assert reason in left.reason
        assert type(router) is cls
        assert vars(router) == names
    assert request(router, "/page")[0] == 200


class WithMetaclass(routing.Router, metaclass=type("Meta", (type,), {})):
    made: ClassVar[list[str]] = []

    def __init_subclass__(cls) -> None:
        cls.made.append(cls.__name__)


def test_metaclass_and_init_subclass_are_honoured() -> None:
    router = WithMetaclass([Route("/page", page)])
    accelerate(router)
    assert type(type(router)) is type(WithMetaclass)
    assert WithMetaclass.made == ["WithMetaclass"]
    assert request(router, "/page")[0] == 200


class Standing:
    """Stands for a route, and has all of it by name only."""

    def __init__(self, route: routing.BaseRoute) -> None:
        self.route = route

    def __getattr__(self, name: str) -> Any:
        return getattr(self.route, name)


def test_an_object_that_stands_for_a_route_is_asked() -> None:
    standing = [Standing(Route("/page", page)), Standing(Mount("/mounted", routes=[Route("/page", page)]))]
    app = Starlette(routes=[*standing, Route("/other", page)])  # type: ignore[list-item]
    (indexed,) = accelerate(app).indexed
    assert list(indexed.asked) == standing
    assert [request(app, path)[0] for path in ("/page", "/mounted/page", "/other", "/none")] == [200, 200, 200, 404]
