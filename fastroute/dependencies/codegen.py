"""A plan -> the ASGI application that follows it in a straight line as long as nothing is wrong.

Theory of operation
-------------------

The generated coroutine does the work of the interpreter, in the same order, without its loops and dictionaries. For

    async def user(x_token: Annotated[str, Header()]) -> str: ...

    async def room(websocket: WebSocket, user: Annotated[str, Depends(user)], n: int = 1) -> None: ...

it is this:

    async def connect(scope, receive, send):
        outgoing = Outgoing(scope, send)
        websocket = WebSocket(scope, receive, outgoing.send)
        try:
            query = query_values(scope['query_string'])
            pairs = header_pairs(scope)
            headers = headers_by_name(pairs)
            try:
                raw = headers.get(key_0_0)
                if raw is None:
                    raise InvalidError([missing(loc_0_0)])
                else:
                    value_0_0 = raw.decode('latin-1')
            except (ValidationError, InvalidError) as error:
                wrong = error.with_traceback(None)
            else:
                wrong = None
            if wrong is not None:
                await resume(0, locals(), wrong)
            result_0 = await call_0(x_token=value_0_0)
            if type(result_0) not in DROPPED_TYPES and result_0 is not True:
                check_0(result_0)
            try:
                raw = query.get(key_1_0)
                if raw is None:
                    value_1_0 = default_1_0
                else:
                    value_1_0 = validate_1_0(raw)
            except (ValidationError, InvalidError) as error:
                wrong = error.with_traceback(None)
            else:
                wrong = None
            if wrong is not None:
                await resume(1, locals(), wrong)
            await endpoint.call(n=value_1_0, user=result_0, websocket=websocket)
        except Exception as error:
            if not await answer(websocket, outgoing, error):
                raise
        else:
            if outgoing.state is not DISCONNECTED:
                await end(websocket, outgoing)

Names. `result_3` is the result of step 3 and `value_3_1` the value of its field 1. All that belongs to a user is a
constant, numbered in the same way: the callables, defaults, validators, keys, scopes. The source holds one text of a
user, the name of a parameter as a keyword, and only if that name can mean nothing else in Python. So no name or value
of a user can meet a name of the generated code, or be run as code.

The hand-over. At the first parameter that is missing or wrong the coroutine calls `resume` with the number of the step
and `locals()`. A value is bound if and only if it was read, so the first unbound name is the field that failed. From
that `resume` makes the interpreter's `Progress`: the results of the steps before, the values of the fields before, and
the errors of the field that failed. The interpreter goes on from there, collects all other errors and raises.
"""

import itertools
import keyword
import linecache
import unicodedata
import weakref
from collections.abc import Awaitable, Callable, Iterable, Iterator
from typing import Any, NamedTuple, NoReturn

from pydantic import ValidationError
from starlette.types import ASGIApp
from starlette.websockets import WebSocket, WebSocketState

from ..connection.closing import answer, end
from ..connection.life import Begin
from ..connection.outgoing import Outgoing
from . import parsing
from .cleanups import Cleanups, semaphore_of
from .fields import ParamField
from .interpreter import MakeError, Progress, solve_from
from .plan import Plan, Step
from .results import DROPPED_TYPES, PLAIN_TYPES, UNFINISHED_TYPES, readers, refusal_types
from .signature import CallKind
from .threads import run_in_thread, run_together
from .values import InvalidError, located, missing, read_field

__all__ = ["Generated", "compile_plan", "generate"]

#: Schema types that ignore `from_attributes`, so that the call can leave it out.
_PLAIN = {"int", "float", "str", "bool", "uuid", "decimal", "date", "datetime", "time", "enum", "literal"}

#: The names of this package that the generated code uses.
_NAMES: dict[str, Any] = {
    "Cleanups": Cleanups,
    "DISCONNECTED": WebSocketState.DISCONNECTED,
    "InvalidError": InvalidError,
    "Outgoing": Outgoing,
    "DROPPED_TYPES": DROPPED_TYPES,
    "PLAIN_TYPES": PLAIN_TYPES,
    "UNFINISHED_TYPES": UNFINISHED_TYPES,
    "ValidationError": ValidationError,
    "WebSocket": WebSocket,
    "answer": answer,
    "end": end,
    "missing": missing,
    "read_field": read_field,
    "run_in_thread": run_in_thread,
    "run_together": run_together,
    "semaphore_of": semaphore_of,
    **{name: getattr(parsing, name) for name in parsing.__all__},
}

_numbers = itertools.count(1)


def compile_plan(plan: Plan, make_error: MakeError, title: str, begin: Begin | None = None) -> ASGIApp:
    """The application that solves a plan for a connection, calls the endpoint, and answers errors.

    Args:
        plan: the steps to follow.
        make_error: makes the exception to raise from the validation errors.
        title: names the plan in tracebacks.
        begin: makes the `Life` of each connection; None if nothing but its endpoint and its client ends one.
    """
    source, constants = generate(plan, living=begin is not None)
    namespace = {**_NAMES, **constants, "resume": _resume(plan, make_error), "begin": begin}
    # A path may hold characters that no file name can: NUL and lone surrogates.
    filename = f"<fastroute plan {next(_numbers)} of {ascii(title)[1:-1]}>"
    exec(compile(source, filename, "exec"), namespace)
    # linecache drops entries of files that do not exist, unless they have no modification time. Kept, this one shows
    # the generated lines in tracebacks.
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    app: ASGIApp = namespace["connect"]
    weakref.finalize(app, linecache.cache.pop, filename, None).atexit = False
    return app


class Generated(NamedTuple):
    """The code of a plan.

    Attributes:
        source: a module with the function `connect`.
        constants: the values of a user that the source uses, by their numbered names.
    """

    source: str
    constants: dict[str, Any]


def generate(plan: Plan, *, living: bool = False) -> Generated:
    """The source of a plan's application and the constants it uses; `living` if its connections have a `Life`."""
    generator = _Generator(plan, living)
    return Generated("\n".join(generator.lines()), generator.constants)


def _resume(plan: Plan, make_error: MakeError) -> Callable[..., Awaitable[NoReturn]]:
    async def resume(index: int, variables: dict[str, Any], error: Exception) -> NoReturn:
        fields = plan.steps[index].fields
        names = [_value(index, position) for position in range(len(fields))]
        values = [variables[name] for name in names if name in variables]
        failed = fields[len(values)]
        if isinstance(error, ValidationError):
            errors = located(error, (failed.place, failed.alias))
        else:
            assert isinstance(error, InvalidError)
            errors = error.errors
        progress = Progress(
            results=[variables[_result(step)] for step in range(index)],
            arguments={field.name: value for field, value in zip(fields, values, strict=False)},
            errors=errors,
        )
        cleanups = variables.get("cleanups") or Cleanups()
        await solve_from(plan, variables["websocket"], make_error, cleanups, progress, variables.get("life"))
        raise AssertionError("the interpreter raises, as there is an error")

    return resume


def _result(index: int) -> str:
    return f"result_{index}"


def _value(index: int, position: int) -> str:
    return f"value_{index}_{position}"


class _Generator:
    def __init__(self, plan: Plan, living: bool) -> None:
        self.plan = plan
        self.living = living
        self.constants: dict[str, Any] = {}

    def constant(self, name: str, value: Any) -> str:
        self.constants[name] = value
        return name

    def lines(self) -> Iterator[str]:
        yield "async def connect(scope, receive, send):"
        if self.living:
            yield "    life = outgoing = begin(scope, receive, send)"
            yield "    websocket = WebSocket(scope, life.receive, life.send)"
            yield "    try:"
            yield from _indented(self._answered(self._living()), 2)
            yield "    finally:"
            yield "        life.finish()"
        else:
            yield "    outgoing = Outgoing(scope, send)"
            yield "    websocket = WebSocket(scope, receive, outgoing.send)"
            yield from _indented(self._answered(self._with_cleanups()))

    def _answered(self, lines: Iterable[str]) -> Iterator[str]:
        yield "try:"
        yield from _indented(lines)
        yield "except Exception as error:"
        yield "    if not await answer(websocket, outgoing, error):"
        yield "        raise"
        yield "else:"
        yield "    if outgoing.state is not DISCONNECTED:"
        yield "        await end(websocket, outgoing)"

    def _living(self) -> Iterator[str]:
        # Not a `with`: it would cost more than all that a life does here.
        yield "life.enter()"
        yield "try:"
        yield from _indented(self._with_cleanups())
        yield "except BaseException as error:"
        yield "    if not life.leave(error):"
        yield "        raise"
        yield "else:"
        yield "    life.leave()"

    def _with_cleanups(self) -> Iterator[str]:
        if not self.plan.yields:
            yield from self._settled()
            return
        yield "cleanups = Cleanups()"
        yield "try:"
        yield from _indented(self._settled())
        yield "except BaseException as error:"
        yield "    if not await cleanups.throw(error):"
        yield "        raise"
        yield "else:"
        yield "    await cleanups.finish()"

    def _settled(self) -> Iterator[str]:
        if not self.living:
            yield from self._solve()
            return
        yield "try:"
        yield from _indented(self._solve())
        yield "except BaseException as error:"
        yield "    await life.settle(error)"
        yield "    raise"
        yield "else:"
        yield "    life.over = True"
        yield "    if life.cause is not None:"
        yield "        await life.settle()"

    def _solve(self) -> Iterator[str]:
        yield from self._parse()
        steps = self.plan.steps
        for first, last in _groups(steps):
            yield from self._read(first, steps[first])
            if first < last:
                yield from self._together(range(first, last + 1))
            elif first == len(steps) - 1:
                yield from self._endpoint(first, steps[first])
            else:
                yield from self._call(first, steps[first])
                yield from self._check(first, steps[first])

    def _parse(self) -> Iterator[str]:
        direct = [field for step in self.plan.steps for field in step.fields if _is_direct(field)]
        places = {(field.place, field.sequence) for field in direct}
        if ("path", False) in places:
            yield "path = websocket.path_params"
        if ("query", False) in places:
            yield "query = query_values(scope['query_string'])"
        if ("query", True) in places:
            yield "queries = query_lists(scope['query_string'])"
        if places & {("header", False), ("header", True), ("cookie", False)}:
            yield "pairs = header_pairs(scope)"
        if ("header", False) in places:
            yield "headers = headers_by_name(pairs)"
        if ("cookie", False) in places:
            yield "cookies = cookie_values(pairs)"

    def _read(self, index: int, step: Step) -> Iterator[str]:
        for calls_factory, fields in itertools.groupby(enumerate(step.fields), lambda pair: _calls_factory(pair[1])):
            yield "try:"
            for position, field in fields:
                yield from _indented(self._field(field, f"{index}_{position}"))
            # A ValidationError from a user's factory is an error of the server.
            yield f"except {'InvalidError' if calls_factory else '(ValidationError, InvalidError)'} as error:"
            yield "    wrong = error.with_traceback(None)"
            yield "else:"
            yield "    wrong = None"
            # Handed over after the `except` block, so that later exceptions are not chained to this one.
            yield "if wrong is not None:"
            yield f"    await resume({index}, locals(), wrong)"

    def _endpoint(self, index: int, step: Step) -> Iterator[str]:
        if any(step.dependant.kind.yields and step.dependant.lifetime == "handshake" for step in self.plan.steps):
            yield "await cleanups.finish_handshake()"
        endpoint = self.constant("endpoint", step.dependant)
        yield f"await {endpoint}.call({', '.join(self._arguments(index, step))})"

    def _together(self, indexes: range) -> Iterator[str]:
        results = ", ".join(map(_result, indexes))
        yield "def calls(together):"
        for index in indexes:
            step = self.plan.steps[index]
            call = self.constant(f"call_{index}", step.call)
            yield f"    {_result(index)} = together.run({', '.join((call, *self._arguments(index, step)))})"
            yield from _indented(self._check(index, step))
        yield f"    return {results}"
        yield f"{results} = await run_together(calls)"

    def _field(self, field: ParamField, number: str) -> Iterator[str]:
        value = f"value_{number}"
        if not _is_direct(field):
            yield f"{value} = read_field({self.constant(f'field_{number}', field)}, websocket)"
            return
        yield f"raw = {self._raw(field, number)}"
        yield "if raw is None:"
        if field.required:
            loc = self.constant(f"loc_{number}", (field.place, field.alias))
            yield f"    raise InvalidError([missing({loc})])"
        elif field.default_factory is not None:
            yield f"    {value} = {self.constant(f'default_{number}', field.default_factory)}()"
        else:
            yield f"    {value} = {self.constant(f'default_{number}', field.default)}"
        yield "else:"
        source = "raw.decode('latin-1')" if field.place == "header" and not field.sequence else "raw"
        schema = _schema_type(field)
        if schema is not None:
            validate = self.constant(f"validate_{number}", field.adapter.validator.validate_python)
            attributes = "" if schema in _PLAIN else ", from_attributes=True"
            source = f"{validate}({source}{attributes})"
        yield f"    {value} = {source}"

    def _raw(self, field: ParamField, number: str) -> str:
        if field.place == "header":
            key = self.constant(f"key_{number}", field.alias.lower().encode())
            return f"header_values(pairs, {key})" if field.sequence else f"headers.get({key})"
        key = self.constant(f"key_{number}", field.alias)
        if field.place == "query":
            return f"queries.get({key})" if field.sequence else f"query.get({key})"
        return f"path.get({key})" if field.place == "path" else f"cookies.get({key})"

    def _arguments(self, index: int, step: Step) -> list[str]:
        dependant = step.dependant
        pairs = [(field.name, _value(index, position)) for position, field in enumerate(step.fields)]
        pairs += [(name, _result(need)) for name, need in step.arguments]
        for name in (dependant.websocket_param_name, dependant.http_connection_param_name):
            if name is not None:
                pairs.append((name, "websocket"))
        for number, (name, injection) in enumerate(dependant.injected.items()):
            make = self.constant(f"make_{index}_{number}", injection.make)
            pairs.append((name, f"{make}(websocket, {'life' if self.living else 'None'})"))
        if dependant.security_scopes_param_name is not None:
            cls = self.constant(f"scopes_type_{index}", dependant.security_scopes_type)
            scopes = self.constant(f"scopes_{index}", dependant.security_scopes)
            pairs.append((dependant.security_scopes_param_name, f"{cls}(scopes=list({scopes}))"))
        return [self._argument(name, value, f"{index}_{number}") for number, (name, value) in enumerate(pairs)]

    def _argument(self, name: str, value: str, number: str) -> str:
        if _is_keyword(name):
            return f"{name}={value}"
        return f"**{{{self.constant(f'name_{number}', name)}: {value}}}"

    def _call(self, index: int, step: Step) -> Iterator[str]:
        dependant, result = step.dependant, _result(index)
        call = self.constant(f"call_{index}", step.call)
        arguments = ", ".join(self._arguments(index, step))
        limit = None
        if dependant.concurrency is not None:
            limit = self.constant(f"limit_{index}", dependant.concurrency)
        if dependant.kind.yields:
            lifetime = self.constant(f"lifetime_{index}", dependant.lifetime)
            if limit is not None:
                yield f"await cleanups.enter_limit({lifetime}, {limit})"
            if dependant.kind is CallKind.ASYNC_GENERATOR:
                yield f"{result} = await cleanups.enter_async({lifetime}, {call}({arguments}))"
            else:
                yield f"{result} = await cleanups.enter_in_threads({lifetime}, {call}, dict({arguments}))"
            return
        if dependant.kind is CallKind.COROUTINE:
            line = f"{result} = await {call}({arguments})"
        else:
            line = f"{result} = await run_in_thread({', '.join(filter(None, (call, arguments)))})"
        if limit is not None:
            yield f"async with semaphore_of({limit}):"
            line = f"    {line}"
        yield line

    def _check(self, index: int, step: Step) -> Iterator[str]:
        """The check of a result, which is called only for an unusual one."""
        if step.is_checked_in_thread:
            return
        if readers(step.takers):
            refusals = self.constant("refusals", refusal_types())
            yield f"kind = type({_result(index)})"
            unusual = f"kind in UNFINISHED_TYPES or issubclass(kind, {refusals})"
            yield f"if kind not in PLAIN_TYPES and ({unusual}):"
        else:
            yield f"if type({_result(index)}) not in DROPPED_TYPES and {_result(index)} is not True:"
        yield f"    {self.constant(f'check_{index}', step.check)}({_result(index)})"


def _is_keyword(name: str) -> bool:
    """Whether a call can be written with this parameter as a keyword, and Python reads the very same name."""
    return (
        type(name) is str
        and name.isidentifier()
        and not keyword.iskeyword(name)
        and name == unicodedata.normalize("NFKC", name)
        and name != "__debug__"
    )


def _groups(steps: list[Step]) -> Iterator[tuple[int, int]]:
    """`(first, last)` of each run of sync steps that share a trip; only the first of them may read fields.

    The endpoint is last and async, so a next step always exists.
    """
    first = 0
    while first < len(steps):
        last = first
        if _goes_along(steps[first]):
            while _goes_along(steps[last + 1]) and not steps[last + 1].fields:
                last += 1
        yield first, last
        first = last + 1


def _goes_along(step: Step) -> bool:
    return step.dependant.kind is CallKind.THREAD and step.dependant.concurrency is None


def _indented(lines: Iterable[str], depth: int = 1) -> Iterator[str]:
    return ("    " * depth + line for line in lines)


def _is_direct(field: ParamField) -> bool:
    """Whether the generated code reads the field itself; rarer fields go through `read_field`."""
    return not (field.model is not None or len(field.keys) > 1 or field.validate_default or _calls_factory(field))


def _calls_factory(field: ParamField) -> bool:
    """Whether a default comes from a function of a user. Copies of a mutable default do not count."""
    return field.info.default_factory is not None


def _schema_type(field: ParamField) -> str | None:
    """The type of a field's core schema; None if nothing needs validating: any str is valid, and only a str arrives."""
    schema: Any = field.adapter.core_schema
    while schema["type"] == "nullable":
        schema = schema["schema"]
    if field.place != "path" and not field.sequence and schema in ({"type": "str"}, {"type": "any"}):
        return None
    return str(schema["type"])
