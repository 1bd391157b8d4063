"""The interpreter of plans: what a connection does, step by step, with every error collected.

It is the reference for the coroutine that `codegen` makes of the same plan, and goes on where that finds a parameter
that is missing or wrong. Nothing here inspects a signature.
"""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.websockets import WebSocket

from .cleanups import Cleanups, semaphore_of
from .dependant import Dependant
from .plan import Plan, Step
from .signature import CallKind
from .values import InvalidError, read_field

__all__ = ["Refuse", "solve_dependencies", "solve_from"]

#: Makes the exception to raise from the validation errors of a connection.
Refuse = Callable[[WebSocket, list[Any]], Exception]


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
