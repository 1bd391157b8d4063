"""The interpreter of plans: what a connection does, step by step, with every error collected.

It is the reference for the coroutine that `codegen` makes of the same plan, and goes on where that finds a parameter
that is missing or wrong. Nothing here inspects a signature.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, ImmutableMultiDict
from starlette.websockets import WebSocket

from .cleanups import Cleanups, semaphore_of
from .dependant import Dependant
from .fields import ParamField
from .plan import Plan, Step
from .signature import CallKind

__all__ = ["InvalidError", "Refuse", "located", "missing", "read_field", "solve_dependencies", "solve_from"]

_ABSENT: Any = object()

#: Makes the exception to raise from the validation errors of a connection.
Refuse = Callable[[WebSocket, list[Any]], Exception]


class InvalidError(Exception):
    """One parameter is missing or wrong."""

    def __init__(self, errors: list[Any]) -> None:
        self.errors = errors


async def solve_dependencies(plan: Plan, websocket: WebSocket, refuse: Refuse) -> None:
    """Solve a plan for one connection and call the endpoint (`fastapi.dependencies.utils.solve_dependencies`).

    Args:
        plan: what to do.
        websocket: the connection.
        refuse: makes the exception to raise from the validation errors.

    Raises:
        Exception: what `refuse` makes, and whatever a dependency or the endpoint raises.
    """
    cleanups = Cleanups()
    try:
        arguments = await solve_from(plan, websocket, refuse, cleanups, [], {}, [])
        await cleanups.finish_handshake()
        await plan.endpoint(**arguments)
    except BaseException as error:
        if not await cleanups.throw(error):
            raise
    else:
        await cleanups.finish()


async def solve_from(
    plan: Plan,
    websocket: WebSocket,
    refuse: Refuse,
    cleanups: Cleanups,
    results: list[Any],
    arguments: dict[str, Any],
    errors: list[Any],
) -> dict[str, Any]:
    """The endpoint's arguments. All errors are collected: what does not depend on a failed step still runs.

    Args:
        results: those of the steps that are done.
        arguments: the values of the fields of the next step that are read.
        errors: those of the field behind these; empty where nothing has gone wrong yet.
    """
    failed = [False] * len(results)
    wrong = bool(errors)
    begun = len(arguments) + wrong
    for step in plan.steps[len(results) :]:
        for read in step.fields[begun:]:
            try:
                arguments[read.name] = read_field(read, websocket)
            except InvalidError as invalid:
                errors += invalid.errors
                wrong = True
        wrong = wrong or any(failed[need] for need in step.needs)
        if not wrong:
            for name, need in step.arguments:
                arguments[name] = results[need]
            _add_given(arguments, step.dependant, websocket)
        if step is plan.steps[-1]:
            break
        results.append(None if wrong else await _call(step, arguments, cleanups))
        failed.append(wrong)
        arguments, wrong, begun = {}, False, 0
    if errors:
        raise refuse(websocket, errors)
    return arguments


def _add_given(arguments: dict[str, Any], dependant: Dependant, websocket: WebSocket) -> None:
    if dependant.websocket_param_name is not None:
        arguments[dependant.websocket_param_name] = websocket
    if dependant.http_connection_param_name is not None:
        arguments[dependant.http_connection_param_name] = websocket
    if dependant.security_scopes_param_name is not None:
        scopes = dependant.security_scopes_type(scopes=list(dependant.security_scopes))
        arguments[dependant.security_scopes_param_name] = scopes


async def _call(step: Step, arguments: dict[str, Any], cleanups: Cleanups) -> Any:
    kind, limit, lifetime = step.dependant.kind, step.dependant.concurrency, step.dependant.lifetime
    if kind.yields:
        assert lifetime is not None
        if limit is not None:
            await cleanups.enter_limit(lifetime, limit)
        if kind is CallKind.GENERATOR:
            return await cleanups.enter_in_threads(lifetime, step.call, arguments)
        return await cleanups.enter_async(lifetime, step.call(**arguments))
    if limit is None:
        return await _run(step, arguments)
    semaphore = semaphore_of(limit)
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


# --- values ---


def read_field(read: ParamField, websocket: WebSocket) -> Any:
    """The value of a field; raises `InvalidError` where there is none."""
    received = _received(read, websocket)
    if read.model is not None:
        return _read_model(read, received)
    key = next((key for key in read.keys if key in received), read.keys[0])
    return _validate(read, _value(received, key, read.sequence), (read.place, key))


def _received(read: ParamField, websocket: WebSocket) -> Mapping[str, Any]:
    if read.place == "path":
        return websocket.path_params
    if read.place == "query":
        return websocket.query_params
    if read.place == "header":
        return websocket.headers
    return websocket.cookies


def _value(received: Mapping[str, Any], key: str, sequence: bool) -> Any:
    if sequence and isinstance(received, (ImmutableMultiDict, Headers)):
        return received.getlist(key) or _ABSENT
    value = received.get(key)
    if value is None or (sequence and len(value) == 0):
        return _ABSENT
    return value


def _validate(read: ParamField, value: Any, loc: tuple[Any, ...]) -> Any:
    if value is _ABSENT:
        if read.required:
            raise InvalidError([missing(loc)])
        value = read.default if read.default_factory is None else read.default_factory()
        if not read.validate_default:
            return value
    try:
        return read.adapter.validate_python(value, from_attributes=True)
    except ValidationError as error:
        raise InvalidError(located(error, loc)) from None


def missing(loc: tuple[Any, ...]) -> dict[str, Any]:
    """The error of a required parameter that was not sent."""
    return {"type": "missing", "loc": loc, "msg": "Field required", "input": None}


def located(error: ValidationError, loc: tuple[Any, ...]) -> list[Any]:
    """pydantic's errors, with the place they come from."""
    return [{**found, "loc": loc + found["loc"]} for found in error.errors(include_url=False)]


def _read_model(read: ParamField, received: Mapping[str, Any]) -> Any:
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
    try:
        return _validate(read, _ABSENT if absent else content, (read.place,))
    except InvalidError as invalid:
        if model.loc_by_alias:
            _name_headers(invalid.errors, renamed)
        raise


def _name_headers(errors: list[Any], renamed: dict[str, str]) -> None:
    """Let errors name the header that was sent and not the field it fills."""
    for error in errors:
        where, *rest = error["loc"]
        if rest and rest[0] in renamed:
            error["loc"] = (where, renamed[rest[0]], *rest[1:])


def _others(received: Mapping[str, Any], read_keys: set[str]) -> dict[str, Any]:
    pairs = received.multi_items() if isinstance(received, ImmutableMultiDict) else received.items()
    others: dict[str, list[Any]] = {}
    for key, value in pairs:
        if key not in read_keys:
            others.setdefault(key, []).append(value)
    return {key: values[0] if len(values) == 1 else values for key, values in others.items()}
