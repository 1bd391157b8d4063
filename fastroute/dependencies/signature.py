"""A callable: how it is run, and the parameters it takes. At declaration, and if overrides are planned."""

import asyncio
import contextlib
import functools
import inspect
import keyword
import sys
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import Enum
from typing import Any, get_origin

from .. import _fastapi
from ..exceptions import DeclarationError, Problem
from .annotations import unaliased

__all__ = [
    "CallKind",
    "added_by_decorator",
    "bound_keywords",
    "call_kind",
    "check_annotated",
    "check_kind",
    "evaluated",
    "is_abstract",
    "namespace_of",
    "overridden",
    "own_parameters",
    "parameters",
    "reads_environment",
    "runnable",
    "unwrapped",
    "written_parameters",
]


class CallKind(Enum):
    """How a dependency is run."""

    COROUTINE = "await"
    THREAD = "thread"
    ASYNC_GENERATOR = "async yield"
    GENERATOR = "yield in threads"

    @property
    def yields(self) -> bool:
        """Whether there is a clean-up to run."""
        return self in (CallKind.ASYNC_GENERATOR, CallKind.GENERATOR)


def _without_partial(call: Any) -> Any:
    while isinstance(call, functools.partial):
        call = call.func
    return call


def unwrapped(call: Any) -> Any:
    """The callable behind partials and `functools.wraps`, in whatever order they are around it."""
    while isinstance(call, functools.partial) or hasattr(call, "__wrapped__"):
        call = inspect.unwrap(_without_partial(call))
    return call


def _without_arguments(call: Any) -> Any:
    """The class of a generic alias, as `Repository` of `Repository[User]`; everything else unchanged."""
    origin = get_origin(call)
    return origin if isinstance(origin, type) else call


def _is_bare_protocol(call: Any) -> bool:
    """Whether it is a protocol with the constructor of `typing`, which seems to take anything, and makes nothing."""
    is_protocol = inspect.isclass(call) and getattr(call, "_is_protocol", False)
    return is_protocol and call.__init__.__module__.startswith("typing")


def is_abstract(cls: type[Any]) -> bool:
    """Whether nobody can make an object of a class. As a dependency it stands for its override."""
    return inspect.isabstract(cls) or _is_bare_protocol(cls)


def _is_context_manager_function(call: Any) -> bool:
    """Whether `contextlib.contextmanager` or `asynccontextmanager` made it."""
    return inspect.isfunction(call) and call.__globals__ is vars(contextlib) and hasattr(call, "__wrapped__")


def runnable(call: Callable[..., Any]) -> Callable[..., Any]:
    """The function to run for a dependency: the call, or one that gives the generator of a context manager function."""
    if _is_context_manager_function(call):
        wrapped: Callable[..., Any] = getattr(call, "__wrapped__")  # noqa: B009  # a function has it by chance
        return wrapped
    inner = _without_partial(call)
    if not inspect.isclass(inner) and any(map(_is_context_manager_function, map(_plain, _layers(_entry(inner))))):
        return functools.partial(_generator_of, call)
    return call


def _generator_of(call: Callable[..., Any], /, **arguments: Any) -> Any:
    made = call(**arguments)
    # A wrapper may be a generator function by itself.
    return getattr(made, "gen", made)


def _entry(call: Any) -> Any:
    """What is called: the callable itself if it is a function or method, else the method of its class."""
    is_function = inspect.isroutine(call) or hasattr(call, "__wrapped__")
    return call if is_function else _call_of_class(call)


def _plain(function: Any) -> Any:
    """The function of a method."""
    return getattr(function, "__func__", function)


def reads_environment(call: Any) -> bool:
    """Whether it makes an object of pydantic-settings: its fields come from the environment, and from no client."""
    cls = unwrapped(call)
    return inspect.isclass(cls) and any(base.__module__.startswith("pydantic_settings") for base in cls.__mro__)


def _functions(call: Any) -> Iterator[Any]:
    """The functions that tell how a callable is run."""
    if inspect.isfunction(call) and not hasattr(call, "__wrapped__"):
        yield call
        return
    plain, wrapped = _without_partial(call), unwrapped(call)
    yield plain
    yield wrapped
    if inspect.isclass(wrapped):
        return
    for thing in (plain, wrapped):
        dunder = getattr(thing, "__call__", None)  # noqa: B004  # the method itself is wanted
        if dunder is not None:
            yield _without_partial(dunder)
            yield unwrapped(dunder)


# Up to 3.12 only asyncio's own test knows its `_is_coroutine` mark; from 3.13 on inspect's is the same.
_is_coroutine_function = inspect.iscoroutinefunction if sys.version_info >= (3, 13) else asyncio.iscoroutinefunction


def call_kind(call: Callable[..., Any]) -> CallKind:
    """How a dependency is run."""
    functions = list(_functions(call))
    if any(inspect.isasyncgenfunction(function) for function in functions):
        return CallKind.ASYNC_GENERATOR
    if any(inspect.isgeneratorfunction(function) for function in functions):
        return CallKind.GENERATOR
    if any(inspect.isroutine(function) and _is_coroutine_function(function) for function in functions):
        return CallKind.COROUTINE
    return CallKind.THREAD


def bound_keywords(call: Any) -> set[str]:
    """The parameters that `functools.partial` has filled."""
    names: set[str] = set()
    while isinstance(call, functools.partial):
        names.update(call.keywords)
        call = call.func
    return names


def parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that must be filled, with annotations as they stand there.

    Raises:
        DeclarationError: the call has no signature.
    """
    bound = bound_keywords(call)
    return [
        parameter
        for parameter in _signature(call).parameters.values()
        if parameter.name not in bound or _fastapi.is_marker(parameter.default)
    ]


def _signature(call: Callable[..., Any]) -> inspect.Signature:
    call = _without_arguments(call)
    if _is_bare_protocol(call):
        return inspect.Signature()
    try:
        if sys.version_info >= (3, 14):
            from annotationlib import Format

            return inspect.signature(call, annotation_format=Format.FORWARDREF)
        return inspect.signature(call)
    except (TypeError, ValueError) as error:
        raise DeclarationError(
            call, None, f"its parameters cannot be read ({error}); wrap it in a function with a signature"
        ) from None


def added_by_decorator(call: Any, name: str) -> bool:
    """Whether only a `__signature__` asks for a parameter: the functions do not name it, and `**kwargs` would take it.

    Decorators that inject (dishka, aioinject) add parameters in this way, and do not need all of them.
    """
    call = _without_partial(call)
    if not hasattr(call, "__signature__"):
        return False
    codes = []
    for layer in _layers(call):
        code = getattr(_function_of(layer), "__code__", None)
        if not inspect.iscode(code):
            return False
        codes.append(code)
    named = (code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] for code in codes)
    return bool(codes[0].co_flags & inspect.CO_VARKEYWORDS) and not any(name in names for names in named)


def own_parameters(call: Any) -> Iterator[tuple[Any, inspect.Parameter]]:
    """Parameters that a callable has, and that its signature may lack, each with the function or class that has it.

    `inspect.signature` shows one function: the innermost that `functools.wraps` names, the `__signature__` that
    somebody set, or one constructor of a class. Those of a plain function are all in its signature: it has none here.
    """
    call = _without_arguments(_without_partial(call))
    is_class = inspect.isclass(call)
    if is_class:
        yield from _bodies_of(call)
        entries = [vars(call)[name] for name in ("__new__", "__init__", "__post_init__") if name in vars(call)]
    else:
        entries = [_entry(call)]
    for entry in map(_plain, entries):
        if not (is_class or hasattr(entry, "__wrapped__") or hasattr(entry, "__signature__")):
            continue
        for layer in _layers(entry):
            function = _plain(_function_of(layer))
            yield from ((function, parameter) for parameter in written_parameters(function))
            if hasattr(layer, "__signature__"):
                break


def overridden(call: Any) -> Iterator[Any]:
    """The methods of base classes that the method behind a callable overrides: one, or the constructors of a class."""
    call = _without_partial(call)
    names: tuple[str, ...]
    if inspect.isclass(call):
        cls, names = call, ("__new__", "__init__")
    elif inspect.ismethod(call):
        cls, names = type(call.__self__), (call.__name__,)
    elif inspect.isroutine(call):
        return
    else:
        cls, names = type(call), ("__call__",)
    for name in names:
        methods = [vars(base)[name] for base in cls.__mro__ if name in vars(base)]
        yield from map(_plain, methods[1:])


def _function_of(layer: Any) -> Any:
    """The function that a layer is, or else the `__call__` of its class."""
    return layer if hasattr(layer, "__code__") else _call_of_class(layer)


def _call_of_class(thing: Any) -> Any:
    return getattr(type(thing), "__call__", None)  # noqa: B004  # the method itself is wanted


def written_parameters(function: Any) -> Iterator[inspect.Parameter]:
    """The parameters as they stand in the code of one function, whatever it says of its signature."""
    code = getattr(function, "__code__", None)
    if not inspect.iscode(code):
        return
    positional = code.co_varnames[: code.co_argcount]
    defaults = dict(zip(reversed(positional), reversed(function.__defaults__ or ()), strict=False))
    defaults |= function.__kwdefaults__ or {}
    yield from _as_parameters(code.co_varnames[: code.co_argcount + code.co_kwonlyargcount], function, defaults)


def _bodies_of(cls: type[Any]) -> Iterator[tuple[Any, inspect.Parameter]]:
    """The annotated attributes of a class and of its bases, as parameters."""
    for base in cls.__mro__:
        # A model keeps the defaults of its fields and private attributes by itself.
        private = vars(base).get("__private_attributes__", {})
        defaults = {**vars(base), **vars(base).get("__pydantic_fields__", {})}
        defaults |= {name: attribute.default for name, attribute in private.items()}
        attributes = _as_parameters(list(_annotations_in(base)), base, defaults)
        yield from ((base, attribute) for attribute in attributes)


def _as_parameters(names: Sequence[str], owner: Any, defaults: Mapping[str, Any]) -> Iterator[inspect.Parameter]:
    annotations, empty = _annotations_in(owner), inspect.Parameter.empty
    for name in names:
        if name.isidentifier() and not keyword.iskeyword(name):
            yield inspect.Parameter(
                name,
                inspect.Parameter.KEYWORD_ONLY,
                default=defaults.get(name, empty),
                annotation=annotations.get(name, empty),
            )


def _annotations_in(owner: Any) -> dict[str, Any]:
    if sys.version_info >= (3, 14):
        from annotationlib import Format

        return inspect.get_annotations(owner, format=Format.FORWARDREF)
    return inspect.get_annotations(owner)


def _layers(call: Any) -> Iterator[Any]:
    """A callable and all that it wraps, outermost first."""
    yield call
    while hasattr(call, "__wrapped__"):
        call = call.__wrapped__
        yield call


def namespace_of(call: Any) -> dict[str, Any]:
    """The globals in which the annotations of a callable are evaluated."""
    function = _without_arguments(unwrapped(call))
    if inspect.isclass(function):
        # The constructor that `inspect.signature` reads: the first in the order of bases.
        constructors = ("__new__", "__init__")
        function = next(vars(base)[name] for base in function.__mro__ for name in constructors if name in vars(base))
    elif not hasattr(function, "__globals__") and not inspect.ismethod(function):
        function = _call_of_class(function)
    function = inspect.unwrap(function)
    namespace: dict[str, Any] = getattr(function, "__globals__", {})
    return namespace


def check_kind(parameter: inspect.Parameter) -> None:
    """Check that a parameter can be passed by name, as all arguments are.

    Raises:
        Problem: the parameter cannot be passed by name.
    """
    if parameter.kind is parameter.POSITIONAL_ONLY:
        raise Problem("is positional-only, but arguments are passed by name; remove the `/`")
    if parameter.kind is parameter.VAR_POSITIONAL:
        raise Problem("nothing can be passed as *args; name the parameters (a decorator needs functools.wraps)")
    if parameter.kind is parameter.VAR_KEYWORD:
        raise Problem("nothing can be passed as **kwargs; name the parameters (a decorator needs functools.wraps)")


#: Names that nobody gives to a parameter which a client should send, and the class that is meant.
_CONNECTIONS: dict[str, str] = dict.fromkeys(("websocket", "ws", "socket", "sock"), "WebSocket")
_CONNECTIONS |= dict.fromkeys(("connection", "conn", "request"), "HTTPConnection")
_CONNECTIONS["security_scopes"] = "SecurityScopes"
_OBJECTS = ("self", "cls")


def check_annotated(parameter: inspect.Parameter) -> None:
    """Check that a parameter has an annotation if its name says that no client should send it.

    Raises:
        Problem: it is called like a connection or the scopes, or like the object of a method.
    """
    if parameter.annotation is not parameter.empty or parameter.default is not parameter.empty:
        return
    name = parameter.name
    if name in _CONNECTIONS:
        raise Problem(f"without an annotation, a client sends it in the query; write `{name}: {_CONNECTIONS[name]}`")
    if name in _OBJECTS:
        raise Problem(
            "a method in a class body has no object yet, and a client would send it in the query; register the bound "
            "method after the class: add_api_websocket_route(path, object.method), or Depends(object.method)"
        )


def evaluated(parameter: inspect.Parameter, namespace: dict[str, Any]) -> inspect.Parameter:
    """The parameter with its annotation evaluated.

    Args:
        parameter: of a callable.
        namespace: the globals of that callable.

    Raises:
        Problem: the annotation cannot be evaluated.
    """
    annotation = parameter.annotation
    if annotation is parameter.empty or type(annotation) is type:
        return parameter
    try:
        found = _evaluated(parameter, namespace)
    except Exception as error:
        # A call in the default decides alone, unless the annotation hides another marker.
        if _fastapi.names_its_call(parameter.default) and "Annotated" not in str(annotation):
            return parameter.replace(annotation=parameter.empty)
        raise Problem(
            f"its annotation {annotation!r} cannot be evaluated ({error}); a name in it must be importable at run "
            "time, at the top of its module and not under TYPE_CHECKING"
        ) from None
    return parameter.replace(annotation=unaliased(found))


def _evaluated(parameter: inspect.Parameter, namespace: dict[str, Any]) -> Any:
    holder = type("holder", (), {})
    holder.__annotations__ = {parameter.name: parameter.annotation}
    return typing.get_type_hints(holder, namespace, {}, include_extras=True)[parameter.name]
