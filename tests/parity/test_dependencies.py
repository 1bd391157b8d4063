"""Dependencies: order, kinds, cache, scopes, overrides: as in FastAPI."""

import contextvars
import functools
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Annotated, Any

import anyio
import pytest
from oracle import (
    BACKENDS,
    FASTAPI,
    OURS,
    Api,
    Declared,
    Mounted,
    handshake,
    parity,
    starlette,
)
from starlette.requests import HTTPConnection
from starlette.websockets import WebSocket

# Order


@parity(handshake("/?q=1&r=2"), handshake("/?q=x&r=2"), handshake("/?q=1&r=x"), handshake(), errors_once=True)
def test_depth_first_and_left_to_right(api: Api) -> Any:
    async def leaf(r: int) -> str:
        api.log("leaf", r)
        return "leaf"

    def middle(q: int, value: Annotated[str, api.Depends(leaf)]) -> str:
        api.log("middle", q, value)
        return "middle"

    async def other(r: Annotated[int, api.Query(gt=1)]) -> str:
        api.log("other", r)
        return "other"

    async def endpoint(
        websocket: WebSocket,
        q: int,
        b: Annotated[str, api.Depends(other)],
        a: Annotated[str, api.Depends(middle)],
        c: Annotated[str, api.Depends(leaf)],
    ) -> None:
        await api.end(websocket, q, a, b, c)

    return endpoint


@parity()
def test_dependencies_run_one_after_another(api: Api) -> Any:
    """Independent dependencies are not solved at the same time: FastAPI does not, and that stays."""

    async def first() -> None:
        api.log("first begins")
        await anyio.sleep(0.002)
        api.log("first ends")

    def second() -> None:
        api.log("second")

    async def third() -> None:
        api.log("third")

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[None, api.Depends(first)],
        b: Annotated[None, api.Depends(second)],
        c: Annotated[None, api.Depends(third)],
    ) -> None:
        await api.end(websocket)

    return endpoint


# Kinds of callables


@parity(handshake("/?q=1"), handshake("/?q=x"))
def test_every_kind_of_callable(api: Api) -> Any:
    here = threading.get_ident

    async def coroutine(q: int) -> str:
        api.log("coroutine", here() == main[0])
        return "coroutine"

    def function(q: int) -> str:
        api.log("function", here() == main[0])
        return "function"

    async def asynchronous(q: int) -> AsyncIterator[str]:
        api.log("asynchronous", here() == main[0])
        yield "asynchronous"
        api.log("asynchronous exit", here() == main[0])

    def synchronous(q: int) -> Iterator[str]:
        api.log("synchronous", here() == main[0])
        yield "synchronous"
        api.log("synchronous exit", here() == main[0])

    class Constructed:
        def __init__(self, q: int) -> None:
            api.log("constructor", here() == main[0])

        def __repr__(self) -> str:
            return "Constructed()"

    class Instance:
        def __call__(self, q: int) -> Iterator[str]:
            api.log("instance", here() == main[0])
            yield "instance"
            api.log("instance exit", here() == main[0])

    class AsynchronousInstance:
        async def __call__(self, q: int) -> AsyncIterator[str]:
            api.log("asynchronous instance", here() == main[0])
            yield "asynchronous instance"
            api.log("asynchronous instance exit", here() == main[0])

    main = []

    async def remember(connection: HTTPConnection) -> None:
        main[:] = [here()]

    async def endpoint(
        websocket: WebSocket,
        r: Annotated[None, api.Depends(remember)],
        a: Annotated[Any, api.Depends(coroutine)],
        b: Annotated[Any, api.Depends(function)],
        c: Annotated[Any, api.Depends(asynchronous)],
        d: Annotated[Any, api.Depends(synchronous)],
        e: Annotated[Any, api.Depends(Constructed)],
        f: Annotated[Any, api.Depends(Instance())],
        g: Annotated[Any, api.Depends(AsynchronousInstance())],
        h: Annotated[Any, api.Depends(functools.partial(asynchronous))],
        i: Annotated[Any, api.Depends(functools.partial(coroutine))],
    ) -> None:
        await api.end(websocket, a, b, c, d, e, f, g, h, i)

    return endpoint


@parity()
def test_wrapped_generators(api: Api) -> Any:
    def logged(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            api.log("wrapper")
            return function(*args, **kwargs)

        return wrapper

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Any, api.Depends(logged(api.resource("a")))],
        b: Annotated[Any, api.Depends(logged(api.resource("b", sync=True)))],
    ) -> None:
        await api.end(websocket, a, b)

    return endpoint


@parity()
def test_an_awaitable_from_a_sync_function_is_not_awaited(api: Api) -> Any:
    async def value() -> str:
        return "value"

    def dependency() -> Any:
        return value()

    async def endpoint(websocket: WebSocket, a: Annotated[Any, api.Depends(dependency)]) -> None:
        await api.end(websocket, type(a).__name__, await a)

    return endpoint


@parity()
def test_context_set_in_a_thread_is_lost(api: Api) -> Any:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="unset")

    def in_thread() -> str:
        before = variable.get()
        variable.set("thread")
        return before

    async def in_task() -> str:
        before = variable.get()
        variable.set("task")
        return before

    async def generator() -> AsyncIterator[str]:
        before = variable.get()
        variable.set("generator")
        yield before
        api.log("generator exit", variable.get())

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[str, api.Depends(in_thread)],
        b: Annotated[str, api.Depends(in_task)],
        c: Annotated[str, api.Depends(in_thread, use_cache=False)],
        d: Annotated[str, api.Depends(generator)],
    ) -> None:
        before = variable.get()
        variable.set("endpoint")
        await api.end(websocket, a, b, c, d, before)

    return endpoint


@parity()
def test_dependencies_run_in_the_task_of_the_endpoint(api: Api) -> Any:
    async def task() -> int:
        return anyio.get_current_task().id

    async def generator() -> AsyncIterator[int]:
        entered = anyio.get_current_task().id
        yield entered
        api.log("same task", anyio.get_current_task().id == entered)

    async def endpoint(
        websocket: WebSocket, a: Annotated[int, api.Depends(task)], b: Annotated[int, api.Depends(generator)]
    ) -> None:
        await api.end(websocket, a == b == anyio.get_current_task().id)

    return endpoint


# The cache


@parity(handshake("/?q=1"), handshake("/?q=x"), errors_once=True)
def test_one_call_for_several_readers(api: Api) -> Any:
    def counted(q: int) -> object:
        api.log("counted", q)
        return object()

    async def reader(value: Annotated[Any, api.Depends(counted)]) -> Any:
        return value

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Any, api.Depends(counted)],
        b: Annotated[Any, api.Depends(reader)],
        c: Annotated[Any, api.Depends(counted)],
    ) -> None:
        await api.end(websocket, a is b, b is c)

    return endpoint


@parity()
def test_scope_is_part_of_the_cache_key(api: Api) -> Any:
    def plain() -> object:
        api.log("plain")
        return object()

    resource = api.resource("resource")

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Any, api.Depends(plain)],
        b: Annotated[Any, api.Depends(plain, scope="request")],
        c: Annotated[Any, api.Depends(plain, scope="function")],
        d: Annotated[Any, api.Depends(plain, scope="request")],
        e: Annotated[Any, api.Depends(resource)],
        f: Annotated[Any, api.Depends(resource, scope="request")],
        g: Annotated[Any, api.Depends(resource, scope="function")],
    ) -> None:
        await api.end(websocket, a is b, a is c, b is d, e is f, e is g)

    return endpoint


@parity()
def test_cache_keys_compare_by_equality(api: Api) -> Any:
    class Equal:
        def __init__(self, label: str) -> None:
            self.label = label

        def __eq__(self, other: object) -> bool:
            return isinstance(other, Equal)

        def __hash__(self) -> int:
            return 1

        def __call__(self) -> str:
            api.log("called", self.label)
            return self.label

        async def method(self) -> str:
            api.log("method", self.label)
            return self.label

    one = Equal("one")

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[str, api.Depends(one)],
        b: Annotated[str, api.Depends(Equal("two"))],
        c: Annotated[str, api.Depends(one.method)],
        d: Annotated[str, api.Depends(one.method)],
    ) -> None:
        await api.end(websocket, a, b, c, d)

    return endpoint


@parity()
def test_use_cache(api: Api) -> Any:
    calls: list[int] = []

    async def counted() -> int:
        calls.append(1)
        api.log("counted", len(calls))
        return len(calls)

    async def start() -> None:
        calls.clear()

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[int, api.Depends(counted, use_cache=False)],
        b: Annotated[int, api.Depends(counted)],
        c: Annotated[int, api.Depends(counted, use_cache=False)],
        d: Annotated[int, api.Depends(counted)],
    ) -> None:
        await api.end(websocket, a, b, c, d)

    return Declared(endpoint, [api.Depends(start)])


@parity()
def test_use_cache_after_a_cached_call(api: Api) -> Any:
    calls: list[int] = []

    async def counted() -> int:
        calls.append(1)
        return len(calls)

    async def start() -> None:
        calls.clear()

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[int, api.Depends(counted)],
        b: Annotated[int, api.Depends(counted, use_cache=False)],
        c: Annotated[int, api.Depends(counted)],
    ) -> None:
        await api.end(websocket, a, b, c)

    return Declared(endpoint, [api.Depends(start)])


@parity()
def test_generators_without_cache(api: Api) -> Any:
    resource = api.resource("resource")

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[str, api.Depends(resource)],
        b: Annotated[str, api.Depends(resource, use_cache=False)],
        c: Annotated[str, api.Depends(resource, use_cache=False)],
    ) -> None:
        await api.end(websocket, a, b, c)

    return endpoint


# Security scopes


@parity()
def test_security_scopes_are_part_of_the_cache_key_if_used(api: Api) -> Any:
    async def user(scopes: api.SecurityScopes) -> Any:
        api.log("user", scopes)
        return scopes.scopes

    async def unscoped() -> object:
        api.log("unscoped")
        return object()

    async def through(value: Annotated[Any, api.Depends(user)]) -> Any:
        api.log("through", value)
        return value

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Any, api.Security(user, scopes=["one"])],
        b: Annotated[Any, api.Security(user, scopes=["two"])],
        c: Annotated[Any, api.Security(user, scopes=["one", "two"])],
        d: Annotated[Any, api.Security(user, scopes=["two", "one"])],
        e: Annotated[Any, api.Depends(user)],
        f: Annotated[Any, api.Security(unscoped, scopes=["one"])],
        g: Annotated[Any, api.Security(unscoped, scopes=["two"])],
        h: Annotated[Any, api.Depends(unscoped)],
        i: Annotated[Any, api.Security(through, scopes=["three"])],
        j: Annotated[Any, api.Security(through, scopes=["one"])],
        k: Annotated[Any, api.Security(user)],
    ) -> None:
        await api.end(websocket, a, b, c, d, e, f is g, f is h, i, j, k)

    return endpoint


@parity(handshake("/?q=1"), handshake("/?q=x"), handshake())
def test_dependencies_behind_an_error_get_the_connection(api: Api) -> Any:
    async def first(q: int) -> int:
        return q

    async def second(connection: HTTPConnection, websocket: WebSocket) -> bool:
        api.log("second", connection is websocket)
        return connection is websocket

    async def endpoint(
        websocket: WebSocket, a: Annotated[int, api.Depends(first)], b: Annotated[bool, api.Depends(second)]
    ) -> None:
        await api.end(websocket, a, b)

    return endpoint


@parity()
def test_a_scheme_uses_scopes(api: Api) -> Any:
    class Scheme(api.security.APIKeyQuery):  # type: ignore[name-defined,misc]  # the class of either framework
        async def __call__(self, connection: HTTPConnection) -> Any:
            api.log("scheme")
            return "key"

    scheme = Scheme(name="key")

    async def user(key: Annotated[str, api.Depends(scheme)]) -> str:
        api.log("user")
        return key

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[str, api.Security(user, scopes=["one"])],
        b: Annotated[str, api.Security(user, scopes=["two"])],
        c: Annotated[str, api.Depends(user)],
    ) -> None:
        await api.end(websocket, a, b, c)

    return endpoint


@parity()
def test_security_scopes(api: Api) -> Any:
    async def leaf(scopes: api.SecurityScopes) -> Any:
        api.log("leaf", scopes)
        return scopes.scope_str

    async def middle(
        scopes: api.SecurityScopes, value: Annotated[Any, api.Security(leaf, scopes=["b", "a", "c"])]
    ) -> Any:
        api.log("middle", scopes)
        return value

    async def endpoint(
        websocket: WebSocket,
        scopes: api.SecurityScopes,
        a: Annotated[Any, api.Security(middle, scopes=["a", "z"])],
        b: Annotated[Any, api.Depends(middle)],
        c: Annotated[Any, api.Security(leaf, scopes=("x",))],
    ) -> None:
        await api.end(websocket, scopes, a, b, c)

    return Declared(endpoint, [api.Security(leaf, scopes=["of the route"])])


def test_security_scopes_can_be_made_by_hand() -> None:
    for names in (FASTAPI, *OURS.values()):
        assert names["SecurityScopes"]().scopes == []
        assert names["SecurityScopes"](["a", "b"]).scope_str == "a b"
        assert names["SecurityScopes"](scopes=["a"]).scopes == ["a"]


# max_concurrency


@pytest.mark.parametrize("names", [FASTAPI, *OURS.values()])
def test_options_of_depends_and_security(names: dict[str, Any]) -> None:
    depends, security = names["Depends"], names["Security"]
    for wrong in (0, -1, True, 1.0, "1"):
        with pytest.raises(ValueError, match="max_concurrency"):
            depends(int, max_concurrency=wrong)
    with pytest.raises(TypeError):
        depends(int, True, "request", 3)
    for option in ("scope", "max_concurrency"):
        with pytest.raises(TypeError):
            security(int, **{option: None})
    one = depends(int, use_cache=False, scope="function")
    assert (one.dependency, one.use_cache, one.scope) == (int, False, "function")
    assert list(security(int, scopes=["a"]).scopes) == ["a"]


KINDS = ["coroutine", "function", "asynchronous", "synchronous"]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("names", [FASTAPI, *OURS.values()], ids=["fastapi", *OURS])
@pytest.mark.parametrize("limit", [1, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_max_concurrency(kind: str, limit: int, names: dict[str, Any], backend: str) -> None:
    """Connections inside the dependency at once; inside a generator they stay until they end."""
    inside: list[int] = [0]
    most: list[int] = [0]
    finished: list[int] = []
    lock = threading.Lock()

    def enter() -> None:
        with lock:
            inside[0] += 1
            most[0] = max(most[0], inside[0])

    def leave() -> None:
        with lock:
            inside[0] -= 1

    async def coroutine() -> None:
        enter()
        await anyio.sleep(0.005)
        leave()

    def function() -> None:
        enter()
        threading.Event().wait(0.005)
        leave()

    async def asynchronous() -> AsyncIterator[None]:
        enter()
        yield
        leave()

    def synchronous() -> Iterator[None]:
        enter()
        yield
        leave()

    chosen = {each.__name__: each for each in (coroutine, function, asynchronous, synchronous)}[kind]

    def declare(api: Api) -> Any:
        async def endpoint(
            websocket: WebSocket, a: Annotated[None, api.Depends(chosen, max_concurrency=limit)]
        ) -> None:
            await anyio.sleep(0.005)
            finished.append(1)

        return endpoint

    mounted = Mounted(names, declare, "/", starlette)

    async def main() -> None:
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(mounted.connect, handshake())

    for _ in range(2):  # a second event loop has slots of its own
        anyio.run(main, backend=backend)
    assert most == [limit]
    assert len(finished) == 10


# Scopes


@parity()
def test_function_scope_ends_before_request_scope(api: Api) -> Any:
    a, b, c, d = (api.resource(name, sync=name in "bd") for name in "abcd")

    async def endpoint(
        websocket: WebSocket,
        one: Annotated[str, api.Depends(a, scope="function")],
        two: Annotated[str, api.Depends(b)],
        three: Annotated[str, api.Depends(c, scope="function")],
        four: Annotated[str, api.Depends(d, scope="request")],
    ) -> None:
        await api.end(websocket, one, two, three, four)

    return endpoint


@parity()
def test_function_scope_may_use_request_scope(api: Api) -> Any:
    outer = api.resource("outer")

    async def inner(value: Annotated[str, api.Depends(outer)]) -> AsyncIterator[str]:
        api.log("inner", value)
        yield "inner"
        api.log("inner exit", value)

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(inner, scope="function")]) -> None:
        await api.end(websocket, a)

    return endpoint


@pytest.mark.parametrize("sync", [True, False])
@pytest.mark.parametrize("names", [FASTAPI, *OURS.values()], ids=["fastapi", *OURS])
def test_request_scope_cannot_use_function_scope(names: dict[str, Any], sync: bool) -> None:
    api = Api(names)
    inner = api.resource("inner", sync=sync)

    async def outer(value: Annotated[str, api.Depends(inner, scope="function")]) -> AsyncIterator[str]:
        yield value

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(outer)]) -> None: ...

    with pytest.raises(api.DependencyScopeError, match="outer"):
        api.route(endpoint, "/")


@parity()
def test_a_scope_error_of_an_override_is_raised_on_connecting(api: Api) -> Any:
    inner = api.resource("inner")

    async def original() -> AsyncIterator[str]:
        yield "original"

    async def override(value: Annotated[str, api.Depends(inner, scope="function")]) -> AsyncIterator[str]:
        yield value

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(original)]) -> None:
        await api.end(websocket, a)

    async def wrong(websocket: WebSocket, error: Exception) -> None:
        api.log("wrong scope")
        await websocket.close(1011)

    return Declared(endpoint, overrides={original: override}, handlers={api.DependencyScopeError: wrong})


# Overrides


@parity(handshake("/?q=1&r=2"), handshake("/?q=x&r=2"), handshake("/?q=1&r=x"), handshake(), errors_once=True)
def test_an_override_replaces_a_dependency_everywhere(api: Api) -> Any:
    async def leaf() -> str:
        raise AssertionError("overridden")

    async def original(q: int) -> str:
        raise AssertionError("overridden")

    async def middle(value: Annotated[str, api.Depends(original)], q: int) -> str:
        api.log("middle", value)
        return value

    def new_leaf(q: int) -> str:
        api.log("new leaf")
        return "new leaf"

    def new_original(r: int, value: Annotated[str, api.Depends(leaf)]) -> str:
        api.log("new original", r, value)
        return "new original"

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[str, api.Depends(middle)],
        b: Annotated[str, api.Depends(original)],
        c: Annotated[str, api.Depends(leaf)],
    ) -> None:
        await api.end(websocket, a, b, c)

    return Declared(endpoint, [api.Depends(original)], overrides={original: new_original, leaf: new_leaf, dict: dict})


@parity()
@pytest.mark.filterwarnings("default")
def test_overrides_of_another_kind(api: Api) -> Any:
    async def a() -> str:
        raise AssertionError("overridden")

    def b() -> str:
        raise AssertionError("overridden")

    async def c() -> AsyncIterator[str]:
        raise AssertionError("overridden")
        yield

    def d() -> Iterator[str]:
        raise AssertionError("overridden")
        yield

    async def new_d() -> str:
        api.log("new d")
        return "new d"

    class Constructed:
        def __repr__(self) -> str:
            return "Constructed()"

    async def endpoint(
        websocket: WebSocket,
        one: Annotated[Any, api.Depends(a)],
        two: Annotated[Any, api.Depends(b)],
        three: Annotated[Any, api.Depends(c)],
        four: Annotated[Any, api.Depends(d, scope="function")],
    ) -> None:
        await api.end(websocket, one, two, three, four)

    return Declared(
        endpoint,
        overrides={a: api.resource("a", sync=True), b: api.resource("b"), c: Constructed, d: new_d},
    )


@parity()
def test_an_override_keeps_cache_and_scope(api: Api) -> Any:
    original, plain = api.resource("original"), api.resource("plain")

    async def new_plain() -> object:
        api.log("new plain")
        return object()

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Any, api.Depends(original, scope="function")],
        b: Annotated[Any, api.Depends(original)],
        c: Annotated[Any, api.Depends(original, use_cache=False)],
        d: Annotated[Any, api.Depends(plain)],
        e: Annotated[Any, api.Depends(plain, use_cache=False)],
        f: Annotated[Any, api.Depends(plain)],
        g: Annotated[Any, api.Depends(new_plain)],
    ) -> None:
        await api.end(websocket, a, b, c, d is e, d is f, d is g)

    return Declared(endpoint, overrides={original: api.resource("override"), plain: new_plain})


@parity()
def test_an_override_inherits_the_security_scopes(api: Api) -> Any:
    async def leaf(scopes: api.SecurityScopes) -> Any:
        return scopes.scopes

    async def original() -> None: ...

    async def override(scopes: api.SecurityScopes, value: Annotated[Any, api.Security(leaf, scopes=["leaf"])]) -> Any:
        api.log("override", scopes, value)
        return value

    async def middle(value: Annotated[Any, api.Security(original, scopes=["own"])]) -> Any:
        return value

    async def endpoint(websocket: WebSocket, a: Annotated[Any, api.Security(middle, scopes=["parent"])]) -> None:
        await api.end(websocket, a)

    return Declared(endpoint, overrides={original: override})


@parity(handshake("/?key=x"), handshake())
def test_override_of_a_security_scheme(api: Api) -> Any:
    scheme = api.security.APIKeyQuery(name="key")

    async def endpoint(websocket: WebSocket, key: Annotated[str, api.Security(scheme, scopes=["a"])]) -> None:
        await api.end(websocket, key)

    return Declared(endpoint, overrides={scheme: lambda: "overridden"})


@pytest.mark.parametrize("names", [FASTAPI, *OURS.values()], ids=["fastapi", *OURS])
def test_overrides_are_looked_up_for_every_connection(names: dict[str, Any]) -> None:
    overrides: dict[Any, Any] = {}

    async def original() -> str:
        return "original"

    def declare(api: Api) -> Any:
        async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(original)]) -> None:
            await api.end(websocket, a)

        return Declared(endpoint, overrides=overrides)

    mounted = Mounted(names, declare, "/", starlette)

    def answer() -> Any:
        return mounted.run(handshake(), "asyncio").events

    assert answer() == [("endpoint", "original")]
    overrides[original] = lambda: "first"
    assert answer() == [("endpoint", "first")]
    overrides[original] = lambda: "second"
    assert answer() == [("endpoint", "second")]
    overrides.clear()
    assert answer() == [("endpoint", "original")]


@pytest.mark.parametrize("names", [FASTAPI, *OURS.values()], ids=["fastapi", *OURS])
@pytest.mark.parametrize("mapping", [None, {}])
def test_a_provider_without_overrides(names: dict[str, Any], mapping: Any) -> None:
    async def original() -> str:
        return "original"

    def declare(api: Api) -> Any:
        async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(original)]) -> None:
            await api.end(websocket, a)

        return Declared(endpoint, overrides=mapping)

    record = Mounted(names, declare, "/", starlette).run(handshake(), "asyncio")
    assert record.events == [("endpoint", "original")]


class OwnGet(dict[Any, Any]):
    """A mapping that answers what its items do not say."""

    def get(self, call: Any, default: Any = None) -> Any:
        return self["replacements"].get(call.__name__, default)


@parity()
def test_overrides_are_asked_by_get(api: Api) -> Any:
    async def original() -> str:
        return "original"

    async def inner() -> str:
        return "inner"

    async def replacement(value: Annotated[str, api.Depends(inner)]) -> str:
        return f"replacement, {value}"

    async def endpoint(
        websocket: WebSocket, a: Annotated[str, api.Depends(original)], b: Annotated[str, api.Depends(inner)]
    ) -> None:
        await api.end(websocket, a, b)

    replacements = {"original": replacement, "inner": lambda: "other"}
    return Declared(endpoint, overrides=OwnGet(replacements=replacements))


@parity()
def test_the_endpoint_is_not_overridden(api: Api) -> Any:
    async def dependency() -> str:
        return "dependency"

    async def other(websocket: WebSocket) -> None:
        await api.end(websocket, "other")

    async def endpoint(websocket: WebSocket, a: Annotated[str, api.Depends(dependency)]) -> None:
        await api.end(websocket, a)

    return Declared(endpoint, overrides={endpoint: other})


# Names, classes and instances


@parity(handshake("/?q=1"), handshake("/?q=x"), errors_once=True)
def test_a_callable_may_have_any_name(api: Api) -> Any:
    names = ["websocket", "cleanups", "error", "1 bad-name", "\xb2\ufb01", "class", "solve", "dict", "", "a\nb"]
    calls = []
    for name in names:

        async def call(q: int) -> int:
            return q

        call.__name__ = name
        calls.append(call)

    async def endpoint(websocket: WebSocket, q: int) -> None:
        await api.end(websocket, q)

    return Declared(endpoint, [api.Depends(call) for call in calls])


@parity(handshake("/?scope=a&query=b&raw=c&queries=1&queries=2"), handshake("/?scope=a&query=b&error=x"), handshake())
def test_a_parameter_may_have_any_name(api: Api) -> Any:
    async def endpoint(
        w: WebSocket,
        scope: str,
        query: str,
        raw: str,
        wrong: str = "w",
        error: int = 1,
        cleanups: int = 2,
        path: int = 3,
        headers: int = 4,
        cookies: int = 5,
        resume: int = 6,
        missing: int = 7,
        endpoint: int = 9,
        websocket: int = 10,
        queries: list[int] = api.Query([]),
    ) -> None:
        await api.end(w, scope, query, raw, wrong, error, cleanups, path, headers, cookies, resume, missing, endpoint)
        api.log(websocket, queries)

    return endpoint


# Classes and instances


@parity(handshake("/?skip=3"), handshake("/?skip=x"), handshake(), errors_once=True)
def test_class_dependencies(api: Api) -> Any:
    class Pages:
        def __init__(self, connection: HTTPConnection, skip: int = 0, limit: int = 10) -> None:
            self.all = (connection.url.path, skip, limit)

    class Checker:
        def __init__(self, word: str) -> None:
            self.word = word

        async def __call__(self, websocket: WebSocket, q: str = "") -> bool:
            return self.word in q and websocket.url.path == "/"

    async def endpoint(
        websocket: WebSocket,
        a: Annotated[Pages, api.Depends()],
        b: Pages = api.Depends(),
        c: bool = api.Depends(Checker("x")),
    ) -> None:
        await api.end(websocket, a.all, a is b, c)

    return endpoint
