"""Follows a plan for one connection: nothing here inspects a signature."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from typing import Any
from weakref import WeakKeyDictionary

import anyio
import anyio.to_thread
from anyio.lowlevel import RunVar, checkpoint_if_cancelled
from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, ImmutableMultiDict
from starlette.websockets import WebSocket

from .dependant import Dependant
from .fields import ParamField
from .params import Concurrency
from .plan import Plan, Step
from .signature import CallKind

__all__ = ["solve_dependencies"]

_ABSENT: Any = object()


async def solve_dependencies(plan: Plan, websocket: WebSocket, refuse: Callable[[list[Any]], Exception]) -> None:
    """Solve a plan for one connection and call the endpoint (`fastapi.dependencies.utils.solve_dependencies`).

    Args:
        plan: what to do.
        websocket: the connection.
        refuse: makes the exception to raise from the validation errors.

    Raises:
        Exception: what `refuse` makes, and whatever a dependency or the endpoint raises.
    """
    endpoint = plan.steps[-1].dependant
    if not plan.yields:
        await endpoint.call(**await _solve(plan, websocket, refuse, {}))
        return
    async with AsyncExitStack() as request, AsyncExitStack() as function:
        arguments = None
        async with AsyncExitStack() as handshake:
            stacks = {"request": request, "function": function, "handshake": handshake}
            arguments = await _solve(plan, websocket, refuse, stacks)
        # None where a handshake-scoped dependency swallowed an error.
        if arguments is not None:
            await endpoint.call(**arguments)


async def _solve(
    plan: Plan,
    websocket: WebSocket,
    refuse: Callable[[list[Any]], Exception],
    stacks: dict[str, AsyncExitStack],
) -> dict[str, Any]:
    """The endpoint's arguments. All errors are collected: what does not depend on a failed step still runs."""
    results: list[Any] = []
    failed: list[bool] = []
    errors: list[Any] = []
    cleanup: anyio.CancelScope | None = None
    for step in plan.steps:
        arguments, wrong = _read(step.fields, websocket)
        errors += wrong
        fails = bool(wrong) or any(failed[need] for need in step.needs)
        failed.append(fails)
        results.append(None)
        if fails:
            continue
        for name, need in step.arguments:
            arguments[name] = results[need]
        _add_given(arguments, step.dependant, websocket)
        if len(results) == len(plan.steps):
            break
        kind = step.dependant.kind
        if kind is CallKind.ASYNC_GENERATOR and cleanup is None:
            # Entered before the first generator, so that it encloses the cancel scopes which a generator opens.
            cleanup = stacks["request"].enter_context(anyio.CancelScope())
        results[-1] = await _call(step, arguments, stacks, cleanup)
    if errors:
        raise refuse(errors)
    return arguments


def _add_given(arguments: dict[str, Any], dependant: Dependant, websocket: WebSocket) -> None:
    if dependant.websocket_param_name is not None:
        arguments[dependant.websocket_param_name] = websocket
    if dependant.http_connection_param_name is not None:
        arguments[dependant.http_connection_param_name] = websocket
    if dependant.security_scopes_param_name is not None:
        scopes = dependant.security_scopes_type(scopes=list(dependant.security_scopes))
        arguments[dependant.security_scopes_param_name] = scopes


async def _call(
    step: Step,
    arguments: dict[str, Any],
    stacks: dict[str, AsyncExitStack],
    cleanup: anyio.CancelScope | None,
) -> Any:
    kind, limit = step.dependant.kind, step.dependant.concurrency
    if kind.yields:
        lifetime = step.dependant.lifetime
        assert lifetime is not None
        stack = stacks[lifetime]
        if limit is not None:
            await stack.enter_async_context(_semaphore(limit))
        if kind is CallKind.GENERATOR:
            return await stack.enter_async_context(_in_threads(step.call, arguments))
        assert cleanup is not None
        return await stack.enter_async_context(_shielded_exit(step.call, arguments, cleanup))
    if limit is None:
        return await _run(step, arguments)
    semaphore = _semaphore(limit)
    await semaphore.acquire()
    try:
        return await _run(step, arguments)
    finally:
        semaphore.release()


def _run(step: Step, arguments: dict[str, Any]) -> Awaitable[Any]:
    if step.dependant.kind is CallKind.COROUTINE:
        result: Awaitable[Any] = step.call(**arguments)
        return result
    return run_in_threadpool(step.call, **arguments)


# --- clean-up ---


@asynccontextmanager
async def _shielded_exit(
    call: Callable[..., AsyncIterator[Any]], arguments: dict[str, Any], cleanup: anyio.CancelScope
) -> AsyncIterator[Any]:
    """An async generator whose clean-up runs to its end also when the connection is cancelled."""
    shielded = cleanup.shield
    try:
        async with asynccontextmanager(call)(**arguments) as value:
            try:
                yield value
            finally:
                cleanup.shield = True
    finally:
        cleanup.shield = shielded
    # A task group inside may have swallowed the cancellation while its parent was shielded.
    await checkpoint_if_cancelled()


@asynccontextmanager
async def _in_threads(call: Callable[..., Iterator[Any]], arguments: dict[str, Any]) -> AsyncIterator[Any]:
    """A sync generator, entered and left in worker threads."""
    generator: AbstractContextManager[Any] = contextmanager(call)(**arguments)
    value = await run_in_threadpool(generator.__enter__)
    try:
        yield value
    except BaseException as error:
        if not await _leave_in_thread(generator, type(error), error, error.__traceback__):
            raise
    else:
        await _leave_in_thread(generator, None, None, None)


async def _leave_in_thread(generator: AbstractContextManager[Any], *error: Any) -> bool:
    # A limiter of its own: the pool's threads may all be waiting for what this clean-up gives back.
    limiter = anyio.CapacityLimiter(1)
    with anyio.CancelScope(shield=True):
        swallowed = await anyio.to_thread.run_sync(generator.__exit__, *error, limiter=limiter)
    return bool(swallowed)


_semaphores: RunVar[WeakKeyDictionary[Concurrency, anyio.Semaphore]] = RunVar("fastroute_semaphores")


def _semaphore(limit: Concurrency) -> anyio.Semaphore:
    """The semaphore of one `Depends(max_concurrency=...)` in the running event loop."""
    semaphores = _semaphores.get(None)
    if semaphores is None:
        semaphores = WeakKeyDictionary()
        _semaphores.set(semaphores)
    semaphore = semaphores.get(limit)
    if semaphore is None:
        semaphore = semaphores[limit] = anyio.Semaphore(limit.max_concurrency)
    return semaphore


# --- values ---


def _read(fields: tuple[ParamField, ...], websocket: WebSocket) -> tuple[dict[str, Any], list[Any]]:
    """The values of fields, and the errors of those that have none."""
    values: dict[str, Any] = {}
    errors: list[Any] = []
    for read in fields:
        received = _received(read, websocket)
        if read.model is not None:
            value, wrong = _read_model(read, received)
        else:
            value, wrong = _read_field(read, received)
        if wrong:
            errors += wrong
        else:
            values[read.name] = value
    return values, errors


def _received(read: ParamField, websocket: WebSocket) -> Mapping[str, Any]:
    if read.place == "path":
        return websocket.path_params
    if read.place == "query":
        return websocket.query_params
    if read.place == "header":
        return websocket.headers
    return websocket.cookies


def _read_field(read: ParamField, received: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    key = next((key for key in read.keys if key in received), read.keys[0])
    return _validate(read, _value(received, key, read.sequence), (read.place, key))


def _value(received: Mapping[str, Any], key: str, sequence: bool) -> Any:
    if sequence and isinstance(received, (ImmutableMultiDict, Headers)):
        return received.getlist(key) or _ABSENT
    value = received.get(key)
    if value is None or (sequence and len(value) == 0):
        return _ABSENT
    return value


def _validate(read: ParamField, value: Any, loc: tuple[Any, ...]) -> tuple[Any, list[Any]]:
    if value is _ABSENT:
        if read.required:
            return None, [{"type": "missing", "loc": loc, "msg": "Field required", "input": None}]
        value = read.default if read.default_factory is None else read.default_factory()
        if not read.validate_default:
            return value, []
    try:
        return read.adapter.validate_python(value, from_attributes=True), []
    except ValidationError as error:
        return None, [{**found, "loc": loc + found["loc"]} for found in error.errors(include_url=False)]


def _read_model(read: ParamField, received: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    """Fill a pydantic model: its own fields by their keys, then every other key that was sent."""
    model = read.model
    assert model is not None
    headers = isinstance(received, Headers)
    content: dict[str, Any] = {}
    read_keys: set[str] = set()
    sent = False
    renamed: dict[str, str] = {}
    for key in model.keys:
        sent = sent or any(request_key in received for _, request_key in key.aliases)
        alias, request_key = next((pair for pair in key.aliases if pair[1] in received), key.aliases[0])
        value = _value(received, request_key, key.sequence)
        if value is not _ABSENT:
            content[alias] = value
        if not headers:
            read_keys.add(request_key)
            continue
        read_keys.add(request_key.lower())
        # The field's own name is not accepted as an extra header where the header is called otherwise.
        read_keys.update(validated.lower() for validated, asked in key.aliases if validated != asked)
        if alias != request_key:
            renamed[key.name] = request_key
    content.update(_others(received, read_keys))
    absent = model.optional and not sent and not (model.extras and content)
    value, errors = _validate(read, _ABSENT if absent else content, (read.place,))
    if renamed and model.loc_by_alias:
        for error in errors:
            where, *rest = error["loc"]
            if rest and rest[0] in renamed:
                error["loc"] = (where, renamed[rest[0]], *rest[1:])
    return value, errors


def _others(received: Mapping[str, Any], read_keys: set[str]) -> dict[str, Any]:
    pairs = received.multi_items() if isinstance(received, ImmutableMultiDict) else received.items()
    others: dict[str, list[Any]] = {}
    for key, value in pairs:
        if key not in read_keys:
            others.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in others.items()}
