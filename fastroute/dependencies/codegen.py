"""A plan -> the ASGI application that follows it in a straight line as long as nothing is wrong.

It does what the interpreter does, in the same order, without its loops and dictionaries. At the first parameter that
is missing or wrong it hands over to the interpreter, which goes on from there.
"""

import itertools
import linecache
import re
import weakref
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, NoReturn

from pydantic import ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketState

from ..connection.closing import answer, end, readable
from . import parsing
from .cleanups import Cleanups, semaphore_of
from .fields import ParamField
from .interpreter import Refuse, solve_from
from .plan import Plan, Step
from .signature import CallKind
from .threads import run_together
from .values import InvalidError, located, missing, read_field

__all__ = ["compile_plan", "generate"]

#: Core schemas that never look at the attributes of a value.
_PLAIN = {"int", "float", "str", "bool", "uuid", "decimal", "date", "datetime", "time", "enum", "literal"}

_numbers = itertools.count(1)


def compile_plan(plan: Plan, refuse: Refuse, title: str) -> ASGIApp:
    """The application that solves a plan for a connection, calls the endpoint, and answers what goes wrong.

    Args:
        plan: what to do.
        refuse: makes the exception to raise from the validation errors.
        title: names the plan in tracebacks.
    """
    source, namespace = generate(plan)
    namespace["resume"] = _resume(plan, refuse)
    # A path may hold what no file name can: NUL and lone surrogates.
    filename = f"<fastroute plan {next(_numbers)} of {ascii(title)[1:-1]}>"
    exec(compile(source, filename, "exec"), namespace)
    # A module-less entry without a time stamp stays; so tracebacks show the generated lines.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    app: ASGIApp = namespace[_name(plan)]
    weakref.finalize(app, linecache.cache.pop, filename, None).atexit = False
    return app


def generate(plan: Plan) -> tuple[str, dict[str, Any]]:
    """The source of a plan's application and the names it uses, all but `resume`."""
    generator = _Generator(plan)
    return "\n".join(generator.lines()) + "\n", generator.namespace


def _name(plan: Plan) -> str:
    return f"connect_{_identifier(plan.endpoint)}"


def _resume(plan: Plan, refuse: Refuse) -> Callable[..., Awaitable[NoReturn]]:
    results_of, values_of = _variables(plan)

    async def resume(index: int, variables: dict[str, Any], error: Exception) -> NoReturn:
        fields = plan.steps[index].fields
        names = [name for name in values_of[index] if name in variables]
        arguments = {read.name: variables[name] for read, name in zip(fields, names, strict=False)}
        wrong = fields[len(names)]
        if isinstance(error, ValidationError):
            errors = located(error, (wrong.place, wrong.alias))
        else:
            assert isinstance(error, InvalidError)
            errors = error.errors
        results = [variables[name] for name in results_of[:index]]
        cleanups = variables.get("cleanups") or Cleanups()
        await solve_from(plan, variables["websocket"], refuse, cleanups, results, arguments, errors)
        raise AssertionError("the interpreter refuses the connection, as there is an error")

    return resume


def _variables(plan: Plan) -> tuple[list[str], list[list[str]]]:
    """The local variables for the result of each step, and for the values of its fields."""
    results = [f"{_identifier(step.dependant.call)}_{index}" for index, step in enumerate(plan.steps)]
    values = [[f"{read.name}_{index}_" for read in step.fields] for index, step in enumerate(plan.steps)]
    return results, values


def _identifier(call: Any) -> str:
    name = getattr(call, "__name__", None) or type(call).__name__
    return re.sub(r"\W|^(?=\d)", "_", name, flags=re.ASCII)


class _Generator:
    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.results, self.values = _variables(plan)
        self.namespace: dict[str, Any] = {
            "Cleanups": Cleanups,
            "DISCONNECTED": WebSocketState.DISCONNECTED,
            "InvalidError": InvalidError,
            "ValidationError": ValidationError,
            "WebSocket": WebSocket,
            "answer": answer,
            "end": end,
            "missing": missing,
            "readable": readable,
            "read_field": read_field,
            "run_in_threadpool": run_in_threadpool,
            "run_together": run_together,
            "semaphore_of": semaphore_of,
            **{name: getattr(parsing, name) for name in parsing.__all__},
        }

    def constant(self, name: str, value: Any) -> str:
        # A name that ends in a letter: results of steps end in a digit and values of fields in an underscore, so that
        # no name of a user's function or parameter makes one of these.
        self.namespace[name] = value
        return name

    def lines(self) -> Iterator[str]:
        yield f"async def {_name(self.plan)}(scope, receive, send):"
        yield "    websocket = WebSocket(scope, receive, readable(send))"
        yield "    try:"
        yield from _indented(self._with_cleanups() if self.plan.yields else self._solve(), 2)
        yield "    except Exception as error:"
        yield "        if not await answer(websocket, error):"
        yield "            raise"
        yield "    else:"
        yield "        if websocket.application_state is not DISCONNECTED:"
        yield "            await end(websocket)"

    def _with_cleanups(self) -> Iterator[str]:
        yield "cleanups = Cleanups()"
        yield "try:"
        yield from _indented(self._solve())
        yield "except BaseException as error:"
        yield "    if not await cleanups.throw(error):"
        yield "        raise"
        yield "else:"
        yield "    await cleanups.finish()"

    def _solve(self) -> Iterator[str]:
        yield from self._received()
        for first, last in _groups(self.plan.steps):
            yield from self._read(first, self.plan.steps[first])
            if first < last:
                yield from self._together(range(first, last + 1))
            elif first == len(self.plan.steps) - 1:
                yield from self._endpoint(first, self.plan.steps[first])
            else:
                yield from self._call(first, self.plan.steps[first])

    def _received(self) -> Iterator[str]:
        direct = [read for step in self.plan.steps for read in step.fields if _is_direct(read)]
        places = {(read.place, read.sequence) for read in direct}
        if ("path", False) in places:
            yield "path = websocket.path_params"
        if ("query", False) in places:
            yield "query = query_values(scope['query_string'])"
        if ("query", True) in places:
            yield "queries = query_lists(scope['query_string'])"
        if ("header", False) in places:
            yield "headers = headers_by_name(scope['headers'])"
        if ("cookie", False) in places:
            yield "cookies = cookie_values(scope['headers'])"

    def _read(self, index: int, step: Step) -> Iterator[str]:
        if not step.fields:
            return
        yield "try:"
        for read, name in zip(step.fields, self.values[index], strict=True):
            yield from _indented(self._field(read, name))
        # Handed over outside the handler: what is raised later on has nothing to do with it.
        yield "except (ValidationError, InvalidError) as error:"
        yield "    wrong = error.with_traceback(None)"
        yield "else:"
        yield "    wrong = None"
        yield "if wrong is not None:"
        yield f"    await resume({index}, locals(), wrong)"

    def _endpoint(self, index: int, step: Step) -> Iterator[str]:
        if any(step.dependant.kind.yields and step.dependant.lifetime == "handshake" for step in self.plan.steps):
            yield "await cleanups.finish_handshake()"
        endpoint = self.constant("endpoint", step.dependant)
        yield f"await {endpoint}.call({', '.join(self._arguments(index, step))})"

    def _together(self, indexes: range) -> Iterator[str]:
        results = ", ".join(self.results[index] for index in indexes)
        calls = f"{self.results[indexes[0]]}_calls"
        yield f"def {calls}(together):"
        for index in indexes:
            step = self.plan.steps[index]
            call = self.constant(f"{self.results[index]}_call", step.call)
            arguments = ", ".join((call, *self._arguments(index, step)))
            yield f"    {self.results[index]} = together.run({arguments})"
        yield f"    return {results}"
        yield f"{results} = await run_together({calls})"

    def _field(self, read: ParamField, name: str) -> Iterator[str]:
        if not _is_direct(read):
            yield f"{name} = read_field({self.constant(f'{name}field', read)}, websocket)"
            return
        yield f"raw = {_raw(read)}"
        yield "if raw is None:"
        if read.required:
            yield f"    raise InvalidError([missing({(read.place, read.alias)!r})])"
        elif read.default_factory is not None:
            yield f"    {name} = {self.constant(f'{name}default', read.default_factory)}()"
        else:
            yield f"    {name} = {self.constant(f'{name}default', read.default)}"
        yield "else:"
        value = "raw.decode('latin-1')" if read.place == "header" and not read.sequence else "raw"
        schema = _schema_type(read)
        if schema is not None:
            validator = self.constant(f"{name}validate", read.adapter.validator.validate_python)
            attributes = "" if schema in _PLAIN else ", from_attributes=True"
            value = f"{validator}({value}{attributes})"
        yield f"    {name} = {value}"

    def _arguments(self, index: int, step: Step) -> Iterator[str]:
        dependant = step.dependant
        for read, name in zip(step.fields, self.values[index], strict=True):
            yield f"{read.name}={name}"
        for name, need in step.arguments:
            yield f"{name}={self.results[need]}"
        for given in (dependant.websocket_param_name, dependant.http_connection_param_name):
            if given is not None:
                yield f"{given}=websocket"
        if dependant.security_scopes_param_name is not None:
            kind = self.constant(f"{self.results[index]}_scopes", dependant.security_scopes_type)
            yield f"{dependant.security_scopes_param_name}={kind}(scopes={list(dependant.security_scopes)!r})"

    def _call(self, index: int, step: Step) -> Iterator[str]:
        dependant, result = step.dependant, self.results[index]
        call = self.constant(f"{result}_call", step.call)
        arguments = ", ".join(self._arguments(index, step))
        limit = dependant.concurrency
        if limit is not None:
            self.constant(f"{result}_limit", limit)
        if dependant.kind.yields:
            if limit is not None:
                yield f"await cleanups.enter_limit({dependant.lifetime!r}, {result}_limit)"
            if dependant.kind is CallKind.ASYNC_GENERATOR:
                entered = f"enter_async({dependant.lifetime!r}, {call}({arguments}))"
            else:
                entered = f"enter_in_threads({dependant.lifetime!r}, {call}, dict({arguments}))"
            yield f"{result} = await cleanups.{entered}"
            return
        if dependant.kind is CallKind.COROUTINE:
            line = f"{result} = await {call}({arguments})"
        else:
            line = f"{result} = await run_in_threadpool({', '.join(filter(None, (call, arguments)))})"
        if limit is not None:
            yield f"async with semaphore_of({result}_limit):"
            line = f"    {line}"
        yield line


def _groups(steps: list[Step]) -> Iterator[tuple[int, int]]:
    """The first and the last of the steps that are run together: sync calls, of which only the first reads anything."""
    first = 0
    while first < len(steps):
        last = first
        while _goes_along(steps[first]) and _goes_along(steps[last + 1]) and not steps[last + 1].fields:
            last += 1
        yield first, last
        first = last + 1


def _goes_along(step: Step) -> bool:
    return step.dependant.kind is CallKind.THREAD and step.dependant.concurrency is None


def _indented(lines: Iterator[str], depth: int = 1) -> Iterator[str]:
    return ("    " * depth + line for line in lines)


def _is_direct(read: ParamField) -> bool:
    """Whether the generated code reads it itself; what is rarer is left to the interpreter."""
    if read.model is not None or len(read.keys) > 1 or read.validate_default:
        return False
    if read.place == "header":
        return read.alias.isascii()
    return not read.sequence or read.place == "query"


def _raw(read: ParamField) -> str:
    key = read.alias
    if read.place == "header":
        name = key.lower().encode()
        return f"header_values(scope['headers'], {name!r})" if read.sequence else f"headers.get({name!r})"
    if read.place == "query":
        return f"queries.get({key!r})" if read.sequence else f"query.get({key!r})"
    return f"{'path' if read.place == 'path' else 'cookies'}.get({key!r})"


def _schema_type(read: ParamField) -> str | None:
    """The type of a field's core schema; None where it takes every str as it is and only str can come."""
    schema: Any = read.adapter.core_schema
    while schema["type"] == "nullable":
        schema = schema["schema"]
    if read.place != "path" and not read.sequence and schema in ({"type": "str"}, {"type": "any"}):
        return None
    return str(schema["type"])
