"""Results of dependencies that show that a guard in them never ran; checked on each connection."""

import dis
import inspect
from asyncio import Future, Task
from collections.abc import Callable, Coroutine, Iterator
from contextlib import _AsyncGeneratorContextManager, _GeneratorContextManager
from functools import partial
from types import (
    AsyncGeneratorType,
    BuiltinFunctionType,
    CodeType,
    CoroutineType,
    FunctionType,
    GeneratorType,
    MethodType,
)
from typing import Any, get_origin
from weakref import WeakKeyDictionary, WeakSet

from pydantic.fields import FieldInfo
from starlette.responses import Response

from .. import _fastapi
from ..exceptions import describe
from .annotations import alternatives, rules_out
from .markers import written
from .signature import call_kind, evaluated, namespace_of, parameters

__all__ = ["DROPPED_TYPES", "PLAIN_TYPES", "UNFINISHED_TYPES", "Takers", "check_result", "readers", "refusal_types"]

#: The callables that take a result, and the parameters that do.
Takers = tuple[tuple[Callable[..., Any], str], ...]

#: The classes of most results: an object of exactly one of them refuses nobody. This is the quickest to see.
PLAIN_TYPES = frozenset({bool, bytes, dict, float, int, list, set, str, tuple, type(None)})

#: Those of them that may be dropped: False, which nobody reads, is a guard that lets everybody in.
DROPPED_TYPES = PLAIN_TYPES - {bool}

#: The classes of most results that do nothing until somebody awaits, runs, enters or calls them.
UNFINISHED_TYPES = frozenset(
    {
        *(CoroutineType, GeneratorType, AsyncGeneratorType, FunctionType, MethodType, BuiltinFunctionType, partial),
        *(_GeneratorContextManager, _AsyncGeneratorContextManager, Future, Task),
    }
)

#: Classes whose instances may be dropped.
_harmless: WeakSet[type[Any]] = WeakSet()


def refusal_types() -> tuple[type[Any], ...]:
    """The classes of results that refuse a client if they are raised, sent or called; as values they refuse nobody."""
    return BaseException, Response, *_fastapi.scheme_types(), *_fastapi.dependency_types()


def check_result(result: Any, call: Callable[..., Any], takers: Takers) -> None:
    """Check that the result of a dependency does not show that a guard never ran.

    Args:
        result: of the dependency, or the value that it yields.
        call: the dependency.
        takers: those who take the result. If none of them reads it, it is dropped, and so is all that it holds.

    Raises:
        RuntimeError: the result is dropped and had to be awaited, run, entered, called, raised or sent, or is False; or
            it had to be raised, sent or called, and a taker does not declare a value of this type; or it had to be
            awaited, run, entered or called, and a taker declares another type.
    """
    if result is True or type(result) in _harmless:
        return
    problem = _problem_if_read(result, takers) if readers(takers) else _problem_if_dropped(result, call, takers)
    if problem is None:
        return
    if type(result) is CoroutineType:
        result.close()
    raise RuntimeError(f"{describe(call)} gives {problem}")


def _problem_if_read(result: Any, takers: Takers) -> str | None:
    # Only `type()` tells the class without a question to the object: it may be lazy, and make its value if asked.
    cls = type(result)
    refusal = _refusal(result, cls)
    if refusal is not None:
        return None if _is_declared(result, takers) else refusal
    # As generated code notices them.
    if cls not in UNFINISHED_TYPES and not issubclass(cls, refusal_types()):
        return None
    may_be_meant = all(_may_declare(taker, name, result) for taker, name in readers(takers))
    return None if may_be_meant else _unfinished(result, cls)


def _problem_if_dropped(result: Any, call: Callable[..., Any], takers: Takers) -> str | None:
    if result is False:
        return "False, and nothing reads it; raise HTTPException or WebSocketException there instead"
    cls = _shown_class(result)
    if issubclass(cls, Task) and call_kind(call).yields:  # it runs beside the endpoint, until the clean-up
        return None
    problem = _refusal(result, cls) or _unfinished(result, cls)
    if problem is not None:
        return None if _is_declared(result, takers) else problem
    problem = _uncalled(cls)  # also if a parameter declares it: who forgot to call it did not read it
    if problem is not None:
        return problem
    if cls is type(result) and not issubclass(cls, type):
        _harmless.add(cls)
    return None


def readers(takers: Takers) -> Takers:
    """Those of the takers that may read the parameter. One that is called `_`, say, is seldom read."""
    return tuple((taker, name) for taker, name in takers if _may_read(taker, name))


def _may_read(taker: Callable[..., Any], name: str) -> bool:
    if type(taker) not in (FunctionType, MethodType):
        return True
    code = taker.__code__
    if name not in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]:
        return True
    read = _READ.get(code)
    if read is None:
        read = _READ[code] = frozenset(_names_read(code))
    return name in read or not read.isdisjoint(_READ_ALL)


#: The names that the code of a function reads.
_READ: WeakKeyDictionary[CodeType, frozenset[str]] = WeakKeyDictionary()

#: Functions that read all names.
_READ_ALL = ("locals", "vars", "eval", "exec", "dir")


def _names_read(code: CodeType) -> Iterator[str]:
    yield from code.co_cellvars
    for instruction in dis.get_instructions(code):
        if "LOAD" in instruction.opname:
            names = instruction.argval
            yield from names if isinstance(names, tuple) else (str(names),)


def _shown_class(result: Any) -> type[Any]:
    """The class that a result shows: that of the object behind a proxy."""
    try:
        cls = result.__class__
    except Exception:  # a proxy without an object
        cls = type(result)
    return cls if isinstance(cls, type) else type(result)


def _refusal(result: Any, cls: type[Any]) -> str | None:
    if issubclass(cls, BaseException):
        return f"{cls.__name__}, and nothing raises it; write `raise` instead of `return`"
    if issubclass(cls, Response):
        return f"a {cls.__name__}, and nothing sends it; raise HTTPException or WebSocketException instead"
    if _fastapi.is_scheme_class(cls):
        return f"a security scheme, and nothing calls it; depend on the scheme itself: {written(result)}"
    return None


def _unfinished(result: Any, cls: type[Any]) -> str | None:
    if issubclass(cls, CoroutineType):
        return "a coroutine, and nothing awaits it; make it async, and await it there"
    # A client, as that of redis, can be awaited or entered to connect it, and connects by itself as well.
    if issubclass(cls, Coroutine) or (hasattr(cls, "__await__") and not hasattr(cls, "__aenter__")):
        return "an awaitable, and nothing awaits it; make it async, and await it there"
    if issubclass(cls, GeneratorType | AsyncGeneratorType):
        return "a generator, and nothing runs it; depend on the generator function itself"
    if issubclass(cls, _GeneratorContextManager | _AsyncGeneratorContextManager):
        return "a context manager, and nothing enters it; depend on the function with `yield` itself"
    if issubclass(cls, type):
        refuses = issubclass(result, BaseException | Response) or _fastapi.is_scheme_class(result)
        return f"the class {result.__name__}, and nothing raises or calls it; do so there" if refuses else None
    # A compiled or decorated function may be of any class, and becomes a method in one, as every function.
    becomes_method = hasattr(cls, "__get__") and hasattr(cls, "__call__")  # noqa: B004  # of its objects
    if becomes_method or issubclass(cls, BuiltinFunctionType | MethodType | partial):
        return "a function, and nothing calls it; call it there, or call the outer one: Depends(outer())"
    if issubclass(cls, (FieldInfo, *_fastapi.dependency_types())) and _fastapi.is_marker(result):
        return "a marker, and nothing reads it; put it into the declaration"
    return None


def _uncalled(cls: type[Any]) -> str | None:
    if inspect.iscoroutinefunction(getattr(cls, "__call__", None)):  # noqa: B004  # the method itself is wanted
        return f"a {cls.__name__}, and nothing calls it; depend on the object itself: Depends(object)"
    return None


def _is_declared(result: Any, takers: Takers) -> bool:
    return bool(takers) and all(_declares(taker, name, result) for taker, name in takers)


def _may_declare(taker: Callable[..., Any], name: str, result: Any) -> bool:
    return not any(rules_out(annotation, type(result)) for annotation in _annotations(taker, name))


def _declares(taker: Callable[..., Any], name: str, result: Any) -> bool:
    """Whether a parameter is annotated with a class that a result is of: then it is the value that was wanted."""
    parts = [part for annotation in _annotations(taker, name) for part in alternatives(annotation)]
    return any((get_origin(part) or part) in type(result).__mro__[:-1] for part in parts)


def _annotations(taker: Callable[..., Any], name: str) -> Iterator[Any]:
    for parameter in parameters(taker):
        if parameter.name == name:
            yield evaluated(parameter, namespace_of(taker)).annotation
