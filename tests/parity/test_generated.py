"""Generated trees of dependencies: generated code, interpreter and FastAPI show the same.

Calls, arguments, order, errors, clean-ups, cancellation. What FastAPI does not have, or has otherwise, is drawn for the
two engines alone, and they are compared to the last message.
"""

import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from inspect import Parameter
from typing import Annotated, Any

import anyio
import anyio.from_thread
import anyio.lowlevel
import pytest
from engines import engine
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st
from oracle import (
    BACKENDS,
    FASTAPI,
    FASTROUTE,
    OURS,
    Api,
    Connection,
    Declared,
    Mounted,
    Record,
    starlette,
    without_repeated_errors,
)
from starlette.websockets import WebSocket

from fastroute import DependencyScopeError
from fastroute.dependencies.cleanups import semaphore_of

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Use:
    """One `Depends()` or, with scopes, `Security()`."""

    node: int
    use_cache: bool
    scope: str | None
    scopes: tuple[str, ...]
    limit: int | None


@dataclass(frozen=True)
class Node:
    kind: str
    uses: tuple[Use, ...]
    reads: bool  # a query parameter
    asks_scopes: bool
    fails: str  # where it raises or cancels the connection, if anywhere


@dataclass(frozen=True)
class Tree:
    nodes: tuple[Node, ...]  # each uses earlier ones only; the last is the endpoint
    leading: tuple[Use, ...]
    overrides: tuple[tuple[int, int], ...]
    query: str


class Broken(Exception):
    pass


KINDS = ["coroutine", "function", "asynchronous", "synchronous"]
FAILS = ["", "", "", "", "", "call", "exit", "swallows", "replaces", "cancels", "cancels in exit"]
#: Enough for every call of one connection: a dependency that waits for itself is nobody's subject here.
MANY = 1_000
CANCELLED = ("cancelled",)


@st.composite
def trees(draw: st.DrawFn, *, only_ours: bool = False) -> Tree:
    lifetimes = [None, None, "function", "request", *(["handshake"] * only_ours)]

    def uses(below: int, *, cached: bool) -> tuple[Use, ...]:
        if not below:
            return ()
        return tuple(
            draw(
                st.lists(
                    st.builds(
                        Use,
                        st.integers(0, below - 1),
                        # Below the endpoint, FastAPI's own answer is a defect (see
                        # `test_a_cached_call_does_not_call_what_is_below_it_again`).
                        st.just(True) if cached and not only_ours else st.booleans(),
                        st.sampled_from(lifetimes),
                        st.sampled_from([(), (), ("a",), ("b", "a")]),
                        st.sampled_from([None, MANY]) if only_ours else st.none(),
                    ),
                    max_size=3,
                )
            )
        )

    count = draw(st.integers(1, 6))
    # Adjacent sync calls share a trip to a thread, where nothing else stands between them.
    kinds = draw(st.sampled_from([KINDS, KINDS, ["function"]]))
    nodes = [
        Node(
            draw(st.sampled_from(kinds)),
            uses(index, cached=True),
            draw(st.booleans()),
            draw(st.sampled_from([False, False, True])),
            draw(st.sampled_from(FAILS)),
        )
        for index in range(count)
    ]
    fails = draw(st.sampled_from(["", "", "call", "cancels"]))
    nodes.append(Node("endpoint", uses(count, cached=False), draw(st.booleans()), draw(st.booleans()), fails))
    # A replacement stands before what it replaces, so that it cannot depend on it (see
    # `test_an_override_may_use_the_original`).
    overrides = draw(
        st.dictionaries(st.integers(1, count), st.integers(0, count), max_size=2).map(
            lambda pairs: tuple((old, new) for old, new in pairs.items() if new < old < count)
        )
    )
    sent = draw(st.lists(st.sampled_from(["1", "x", None]), min_size=count + 1, max_size=count + 1))
    query = "&".join(f"q{index}={value}" for index, value in enumerate(sent) if value is not None)
    return Tree(tuple(nodes), uses(count, cached=True), overrides, query)


def marker(api: Api, use: Use, call: Callable[..., Any]) -> Any:
    if use.scopes:
        return api.Security(call, scopes=list(use.scopes), use_cache=use.use_cache)
    if use.limit is None:
        return api.Depends(call, scope=use.scope, use_cache=use.use_cache)
    made = api.Depends(call, scope=use.scope, use_cache=use.use_cache, max_concurrency=use.limit)
    api.limits.append(made.concurrency)
    return made


def signature(api: Api, index: int, node: Node, calls: list[Any]) -> inspect.Signature:
    parameters = [
        Parameter(f"d{number}", Parameter.KEYWORD_ONLY, annotation=Annotated[Any, marker(api, use, calls[use.node])])
        for number, use in enumerate(node.uses)
    ]
    if node.reads:
        parameters.append(Parameter(f"q{index}", Parameter.KEYWORD_ONLY, annotation=int))
    if node.asks_scopes:
        parameters.append(Parameter("scopes", Parameter.KEYWORD_ONLY, annotation=api.SecurityScopes))
    if node.kind == "endpoint":
        parameters.append(Parameter("websocket", Parameter.KEYWORD_ONLY, annotation=WebSocket))
    return inspect.Signature(parameters)


def callables(api: Api, index: int, node: Node) -> dict[str, Callable[..., Any]]:
    name = f"n{index}"

    def enter(given: dict[str, Any]) -> str:
        scopes = given.pop("scopes", None)
        # Repeated scopes are a difference with a test of its own.
        api.log(name, sorted(given.items()), list(dict.fromkeys(scopes.scopes)) if scopes else None)
        if node.fails == "call":
            raise Broken(name)
        return name

    def caught(error: BaseException) -> bool:
        # Not its arguments: FastAPI repeats validation errors (see `test_an_error_is_told_once`).
        api.log(name, "sees", type(error).__name__, str(error) if isinstance(error, Broken) else None)
        if node.fails == "replaces":
            raise Broken(f"{name} instead")
        return node.fails == "swallows"

    def leave() -> None:
        api.log(name, "exit")
        if node.fails == "exit":
            raise Broken(f"{name} exit")

    async def coroutine(**given: Any) -> str:
        value = enter(given)
        await pause("cancels")
        return value

    def function(**given: Any) -> str:
        value = enter(given)
        pause_in_thread("cancels")
        return value

    async def asynchronous(**given: Any) -> AsyncIterator[str]:
        value = enter(given)
        await pause("cancels")
        try:
            yield value
        except Exception as error:
            if not caught(error):
                raise
        finally:
            await pause("cancels in exit")
            leave()

    def synchronous(**given: Any) -> Iterator[str]:
        value = enter(given)
        pause_in_thread("cancels")
        try:
            yield value
        except Exception as error:
            if not caught(error):
                raise
        finally:
            pause_in_thread("cancels in exit")
            leave()

    async def endpoint(websocket: WebSocket, **given: Any) -> None:
        await websocket.accept()
        enter(given)
        await pause("cancels")

    async def pause(where: str) -> None:
        api.log(name, "slots", slots(api))
        if node.fails == where:
            api.cancel_scope.cancel()
            await anyio.lowlevel.checkpoint()

    def pause_in_thread(where: str) -> None:
        if api.limits:
            api.log(name, "slots", anyio.from_thread.run_sync(slots, api))
        if node.fails == where:
            anyio.from_thread.run_sync(api.cancel_scope.cancel)

    return {each.__name__: each for each in (coroutine, function, asynchronous, synchronous, endpoint)}


def slots(api: Api) -> list[int]:
    """How many are free, by limit."""
    return [semaphore_of(limit).value for limit in api.limits]


def declare(tree: Tree, api: Api) -> Declared:
    api.limits = []
    calls: list[Any] = []
    for index, node in enumerate(tree.nodes):
        call = callables(api, index, node)[node.kind]
        call.__signature__ = signature(api, index, node, calls)  # type: ignore[attr-defined]
        calls.append(call)
    return Declared(
        calls[-1],
        [marker(api, use, calls[use.node]) for use in tree.leading],
        {calls[old]: calls[new] for old, new in tree.overrides} or None,
    )


def run(names: dict[str, Any], tree: Tree, backend: str) -> Record:
    mounted = Mounted(names, lambda api: declare(tree, api), "/", starlette)
    return anyio.run(connect, mounted, tree, backend=backend)


async def connect(mounted: Mounted, tree: Tree) -> Record:
    record = None
    with anyio.CancelScope() as scope:
        mounted.api.cancel_scope = scope
        record = await mounted.connect(Connection(query=tree.query.encode()))
    # Whatever happened, every slot is given back.
    assert set(slots(mounted.api)) <= {MANY}
    if record is None:
        record = Record(list(mounted.api.events), error=("Cancelled", "", None))
    if scope.cancel_called:
        record.events.append(CANCELLED)
    return record


def comparable(record: Record) -> Record:
    """What FastAPI shows too."""
    # How a connection ends that nobody ended, is a difference with tests of its own; also what comes out of one that
    # is cancelled when it is nearly over: ours is still waiting then, to close it.
    error = None if record.error is None or CANCELLED in record.events else ends(record.error)
    return without_repeated_errors(Record(record.events, error=error))


def ends(error: Any) -> Any:
    """What is raised and what it all began with.

    The links between are not compared, where several clean-ups fail: an exception that comes out of a future is
    thrown into the coroutines above it, and CPython then writes its context anew at each of them.
    """
    first = error
    while first[2] is not None:
        first = first[2]
    # Not the text of validation errors: FastAPI repeats them.
    return [(name, "" if name == "WebSocketRequestValidationError" else text) for name, text, _ in (error, first)]


def both_engines(names: dict[str, Any], tree: Tree, backend: str) -> Record:
    interpreted, generated = (run_on(name, names, tree, backend) for name in ("interpreter", "generated"))
    assert generated == interpreted
    # Ours looks through plain dependencies, and before anything ran also where an override is wrong (see
    # `test_scopes_are_checked_through_plain_dependencies`).
    assume(generated.error is None or generated.error[0] != "DependencyScopeError")
    event(f"error {generated.error and generated.error[0]}")
    return generated


def run_on(name: str, names: dict[str, Any], tree: Tree, backend: str) -> Record:
    with engine(name):
        try:
            return run(names, tree, backend)
        except DependencyScopeError as error:
            return Record(error=("DependencyScopeError", str(error), None))


def check(tree: Tree, ours: str, backend: str) -> None:
    mine = comparable(both_engines(OURS[ours], tree, backend))
    expected = comparable(run(FASTAPI, tree, backend))
    event(f"overrides {len(tree.overrides)}")
    assert mine == expected


@pytest.mark.parametrize("ours", OURS)
@settings(max_examples=80)
@given(tree=trees())
def test_generated_trees_on_asyncio(ours: str, tree: Tree) -> None:
    check(tree, ours, BACKENDS[0])


@settings(max_examples=40)
@given(tree=trees())
def test_generated_trees_on_trio(tree: Tree) -> None:
    check(tree, "fastroute", BACKENDS[1])


@settings(max_examples=150)
@given(tree=trees(only_ours=True))
def test_generated_trees_that_only_we_take_on_asyncio(tree: Tree) -> None:
    both_engines(FASTROUTE, tree, BACKENDS[0])


@settings(max_examples=40)
@given(tree=trees(only_ours=True))
def test_generated_trees_that_only_we_take_on_trio(tree: Tree) -> None:
    both_engines(FASTROUTE, tree, BACKENDS[1])
