"""The interpreter of plans: it makes the calls of a connection, step by step, and collects every error.

It is the reference for the coroutine that `codegen` makes from the same plan, and goes on if that finds a parameter
that is missing or wrong. Nothing here inspects a signature.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.websockets import WebSocket

from ..connection.life import Life
from .cleanups import Cleanups, semaphore_of
from .dependant import Dependant
from .plan import Plan, Step
from .signature import CallKind
from .threads import run_in_thread
from .values import InvalidError, read_field

__all__ = ["MakeError", "Progress", "solve_dependencies", "solve_from"]

#: Makes the exception to raise from the validation errors of a connection.
MakeError = Callable[[WebSocket, list[Any]], Exception]


@dataclass(slots=True)
class Progress:
    """How far a plan was followed: not at all, or to its first error.

    Attributes:
        results: of the steps that are finished.
        arguments: the fields of the next step that were read, by parameter.
        errors: of the field after those; empty at the start of a connection.
    """

    results: list[Any]
    arguments: dict[str, Any]
    errors: list[Any]

    @property
    def fields_read(self) -> int:
        """How many fields of the next step were read: the valid ones, and the wrong one. None is read again."""
        return len(self.arguments) + (1 if self.errors else 0)


async def solve_dependencies(plan: Plan, websocket: WebSocket, make_error: MakeError, life: Life | None = None) -> None:
    """Solve a plan for one connection and call the endpoint (`fastapi.dependencies.utils.solve_dependencies`).

    Args:
        plan: the steps to follow.
        websocket: the connection.
        make_error: makes the exception to raise from the validation errors.
        life: the same connection, if a policy or a drain may end it.

    Raises:
        Exception: from `make_error`, a dependency or the endpoint.
    """
    cleanups = Cleanups()
    try:
        try:
            arguments = await solve_from(plan, websocket, make_error, cleanups, Progress([], {}, []), life)
            await cleanups.finish_handshake()
            await plan.endpoint(**arguments)
        except BaseException as error:
            if life is not None:
                await life.settle(error)
            raise
        else:
            if life is not None:
                await life.settle()
    except BaseException as error:
        if not await cleanups.throw(error):
            raise
    else:
        await cleanups.finish()


async def solve_from(
    plan: Plan,
    websocket: WebSocket,
    make_error: MakeError,
    cleanups: Cleanups,
    progress: Progress,
    life: Life | None = None,
) -> dict[str, Any]:
    """The endpoint's arguments. All errors are collected: a step that needs no failed step still runs.

    Args:
        plan: the steps to follow.
        websocket: the connection.
        make_error: makes the exception to raise from the validation errors.
        cleanups: the yield dependencies that are entered; this adds to them.
        progress: the point to start at; its lists are used.
        life: as for `solve_dependencies`.

    Raises:
        Exception: from `make_error` or a dependency.
    """
    results, arguments, errors = progress.results, progress.arguments, progress.errors
    failed = [False] * len(results)
    fields_read, wrong = progress.fields_read, bool(errors)
    for step in plan.steps[len(results) :]:
        for field in step.fields[fields_read:]:
            try:
                arguments[field.name] = read_field(field, websocket)
            except InvalidError as invalid:
                errors += invalid.errors
                wrong = True
        wrong = wrong or any(failed[need] for need in step.needs)
        if not wrong:
            for name, need in step.arguments:
                arguments[name] = results[need]
            _add_given(arguments, step.dependant, websocket, life)
        if step is plan.steps[-1]:
            break
        result = None if wrong else await _call(step, arguments, cleanups)
        step.check(result)
        results.append(result)
        failed.append(wrong)
        arguments, fields_read, wrong = {}, 0, False
    if errors:
        raise make_error(websocket, errors)
    return arguments


def _add_given(arguments: dict[str, Any], dependant: Dependant, websocket: WebSocket, life: Life | None) -> None:
    if dependant.websocket_param_name is not None:
        arguments[dependant.websocket_param_name] = websocket
    if dependant.http_connection_param_name is not None:
        arguments[dependant.http_connection_param_name] = websocket
    for name, injection in dependant.injected.items():
        arguments[name] = injection.make(websocket, life)
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
    return run_in_thread(step.call, **arguments)
