"""`Depends()`, `Query()`, ... in a declaration: the one that counts, and the code to write instead of a mistake.

A marker that nobody reads leaves its parameter to the client. So each marker of a declaration counts, or is an
error. At declaration, and if overrides are planned.
"""

import dataclasses
import functools
import inspect
import sys
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import chain
from pathlib import PurePath
from typing import Any, ClassVar, Final, NewType, get_args, get_origin
from uuid import UUID

from annotated_types import Not
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from starlette.background import BackgroundTasks
from starlette.requests import HTTPConnection
from starlette.responses import Response

from .. import _fastapi
from ..connection.injected import Injected
from ..exceptions import Problem
from ..params import DependencyMarker, Lifetime, Place
from ..security import SecurityBase
from .annotations import alternatives, flattened, metadata_in, metadata_in_unions, rules_out, types_in
from .signature import (
    CallKind,
    bound_keywords,
    call_kind,
    evaluated,
    is_abstract,
    namespace_of,
    overridden,
    own_parameters,
    parameters,
    unwrapped,
    written_parameters,
)

__all__ = [
    "adopted",
    "check_awaited",
    "check_bound",
    "check_constructor",
    "check_default",
    "check_dependency",
    "check_inside",
    "check_kept",
    "check_made",
    "check_overridden",
    "check_sendable",
    "check_type",
    "marker_of",
    "place_of",
    "unread",
    "unread_by_all",
    "written",
]


def marker_of(annotation: Any, metadata: Sequence[Any]) -> Any:
    """The marker that counts, in a flattened annotation and its metadata; None if there is none.

    If several name the same place, the last one counts, so that an alias can be refined.

    Raises:
        Problem: a marker would not be read.
    """
    inner = list(metadata_in_unions(annotation))
    for item in (*metadata, *inner):
        _check_metadata(item)
    markers, inner = [[item for item in items if _fastapi.is_marker(item)] for items in (metadata, inner)]
    for item in inner:
        if isinstance(_fastapi.adopt(item), DependencyMarker):
            raise Problem(_not_around(item))
    places = {place_of(marker) for marker in (*markers, *inner)}
    count = len(markers) + len(inner)
    if markers and count > 1 and (len(places) > 1 or None in places):
        names = " and ".join(map(_told, (*markers, *inner)))
        raise Problem(f"{names} in one annotation, and only one of them can count; remove the other")
    return adopted(markers[-1], annotation) if markers else None


def place_of(marker: Any) -> Place | None:
    """The place that a marker reads; None for a dependency."""
    if isinstance(_fastapi.adopt(marker), DependencyMarker):
        return None
    # FastAPI's is an enum, and missing on the base class of its markers and on those of a body.
    in_: Any = getattr(marker, "in_", "body" if _fastapi.is_body(marker) else "query")
    place: Place = getattr(in_, "value", in_)
    return place


def adopted(marker: Any, annotation: Any) -> Any:
    """A marker as ours, if it is one of FastAPI's dependencies.

    Raises:
        Problem: the dependency is a marker of a container, which does not see that our `Depends()` holds it.
    """
    if isinstance(marker, DependencyMarker) and _gives_itself(marker.dependency):
        classes = [part for part in alternatives(annotation, aliases=True) if isinstance(part, type)]
        if not any(_is_instance(marker.dependency, cls) for cls in classes):
            raise Problem(
                f"{marker.dependency!r} gives itself if it is called, and it is not of the annotated type. If a "
                "container should put the value there, write a function that asks the container, and Depends(function)"
            )
    return _fastapi.adopt(marker)


def check_default(name: str, annotation: Any, default: Any) -> None:
    """Check that the default of a parameter, or of its marker, is no dependency that nothing calls.

    Args:
        name: of the parameter.
        annotation: of the parameter. One of functions or classes has a function or class as its value.
        default: the value.

    Raises:
        Problem: the default is a callable, an annotation or a marker in a place in which nobody reads it.
    """
    if isinstance(default, BaseModel):
        return
    if get_origin(default) is not None or flattened(default)[1]:
        raise Problem(f"the default is an annotation; write it after a colon: `{name}: ...`")
    _check_called(default)
    if (callable(default) or isinstance(default, _OF_CLASSES)) and not _is_called_by_taker(annotation, default):
        raise Problem(f"the default is a callable, and nothing calls it; write {written(default)}")
    _check_holder(default)
    if _fastapi.is_marker(default):
        raise Problem(f"{_told(default)} is the default inside of another marker; remove one of them")


def _is_called_by_taker(annotation: Any, default: Any) -> bool:
    """Whether a parameter is annotated as a function or class, and a default is one: a clock, say."""
    if _fastapi.is_security_scheme(default) or _is_framework_marker(default):
        return False
    classes = [get_origin(part) or part for part in alternatives(annotation, aliases=True)]
    return Callable in classes or (type in classes and isinstance(default, type))


#: What pydantic asks for in metadata, by name.
_PYDANTIC_HOOKS = ("__get_pydantic_core_schema__", "__get_pydantic_json_schema__", "__prepare_pydantic_annotations__")

#: Packages whose objects are read by pydantic, or are documentation.
_READ = {"pydantic", "pydantic_core", "annotated_types", "typing_extensions", "annotated_doc", "fastapi", "fastroute"}


def unread_by_all(thing: Any) -> bool:
    """Whether neither pydantic nor this package reads an object in a declaration: it may be a marker of a container.

    Args:
        thing: metadata, or a default.
    """
    cls = type(thing)
    if cls is object or isinstance(thing, dataclasses.Field):
        return True
    if isinstance(thing, str | bytes | int | float | Enum):
        return False
    own, *bases = [base.__module__.partition(".")[0] for base in cls.__mro__]
    if own in sys.stdlib_module_names:
        # A value is compared by what it holds. What is not, as a ContextVar, is no value that a client could send.
        compares: Any = cls.__eq__
        return own != "builtins" and compares is object.__eq__
    return _READ.isdisjoint([own, *bases]) and not any(hasattr(thing, hook) for hook in _PYDANTIC_HOOKS)


def check_type(name: str, annotation: Any) -> None:
    """Check that no marker is in the place of the type.

    Raises:
        Problem: the annotation is a marker, or the function that makes one.
    """
    for part in types_in(annotation):
        if _fastapi.is_marker(part) or _is_framework_marker(part):
            code = _told(part) if _fastapi.is_marker(part) else written(part)
            raise Problem(f"{code} is in the place of the type; write `{name}: Annotated[..., {code}]`")


def check_sendable(name: str, annotation: Any) -> None:
    """Check that no dependency is in the place of the type: nothing calls it.

    Raises:
        Problem: the annotation is a function or a security scheme.
    """
    for part in types_in(annotation):
        is_function = inspect.isroutine(part) or isinstance(part, functools.partial)
        is_class = inspect.isclass(part) and _fastapi.is_scheme_class(part)
        if is_function or is_class or _fastapi.is_security_scheme(part):
            code = written(part)
            raise Problem(
                f"a callable is in the place of the type, and nothing calls it; write `{name}: Annotated[..., {code}]`"
            )
    for part in alternatives(annotation, aliases=True):
        made_by = _scheme_for(part)
        if made_by is not None:
            raise Problem(
                f"{_name_of(part)} would be made from values that a client sends, so everybody would be let in; write "
                f"`{name}: Annotated[{_name_of(part)}, Depends({made_by}(...))]`"
            )


def check_inside(annotation: Any, place: Place | None) -> None:
    """Check that no marker deep in an annotation, or in the fields of its model, is left unread.

    Args:
        annotation: of a parameter that is read from the connection, or of its messages.
        place: the place it is read from. A marker inside of the annotation that names the same is a constraint. None
            for messages: they have none, and any marker of a place is a constraint.

    Raises:
        Problem: a marker would not be read.
    """
    kept = get_args(Place) if place is None else (place,)
    for item in metadata_in(annotation, set()):
        check_awaited(item)
        if _fastapi.is_marker(item) and place_of(item) not in kept:
            raise Problem(_not_around(item))


def check_awaited(item: Any) -> None:
    """Check that nothing async is called by pydantic, which does not await it, so that each value would pass.

    Args:
        item: of the metadata of an annotation; a validator, a field or anything else.

    Raises:
        Problem: its function is async or has `yield`.
    """
    if callable(item):  # a value that has functions for its own use
        return
    for name in ("func", "default_factory"):
        _check_waits_for_nothing(_attribute(item, name))


def _attribute(thing: Any, name: str) -> Any:
    try:
        return getattr(thing, name, None)
    except Exception:  # another package may have its reasons
        return None


def _check_waits_for_nothing(function: Any) -> None:
    if callable(function) and call_kind(function) is not CallKind.THREAD:
        raise Problem(
            f"{_name_of(unwrapped(function))} is async or has `yield`, and nothing waits for it, so that it refuses "
            "nobody; make it a plain function, or await in another one, and write Depends(function)"
        )


#: Methods that constructors call at their end.
_AFTER_INIT = ("__post_init__", "model_post_init", "__attrs_post_init__")


def check_constructor(call: Any) -> None:
    """Check that nothing async is called by the constructor of a class, which does not await it.

    Raises:
        Problem: a validator or the like is async or has `yield`.
    """
    cls = _class_behind(call)
    if cls is None:
        return
    for item in metadata_in(cls, set()):
        check_awaited(item)
    for name in _AFTER_INIT:
        _check_waits_for_nothing(getattr(cls, name, None))


def check_kept(call: Any, signature: Sequence[inspect.Parameter], path_names: Collection[str]) -> None:
    """Check that no marker of a callable is missing from its signature: nobody reads it.

    Args:
        call: an endpoint or a dependency.
        signature: its parameters as they are read.
        path_names: the parameters of the template.

    Raises:
        Problem: a decorator has a marker that `functools.wraps` hides, or the body of a class has one that its
            constructor does not take.
    """
    kept: dict[str, list[Any]] | None = None
    bound = bound_keywords(call)
    for owner, parameter in own_parameters(call):
        if parameter.name in bound:
            continue
        for marker in _markers_at(parameter, _namespace_at(owner)):
            if kept is None:
                kept = {each.name: list(_markers_at(each, namespace_of(call))) for each in signature}
            if not _is_kept(marker, parameter.name, kept, path_names):
                raise Problem(_lost(marker, parameter.name, owner))


def check_overridden(call: Any, name: str) -> None:
    """Check that a parameter without a marker, which a client sends, is no dependency in a method that is overridden.

    Args:
        call: an endpoint or a dependency.
        name: of the parameter.

    Raises:
        Problem: it is one.
    """
    for function in overridden(call):
        for parameter in written_parameters(function):
            markers = _markers_at(parameter, namespace_of(function)) if parameter.name == name else ()
            for marker in markers:
                if place_of(marker) is None:
                    raise Problem(
                        f"its function overrides {_name_of(function)}, where it has {_told(marker)}, so a client would "
                        "send it instead; write it here, too. If a client should send it, write Annotated[..., Query()]"
                    )


def unread(endpoint: Any) -> Iterator[tuple[Any, str, str]]:
    """The markers of an endpoint that Starlette calls by itself, with the connection alone.

    Parameters without a default are passed over, since such a call fails; and so is what `functools.wraps` hides, since
    a decorator may read it.

    Args:
        endpoint: of a route of Starlette.

    Yields:
        The function, its parameter, and the marker as code.
    """
    for function in _functions_of(endpoint):
        if hasattr(function, "__wrapped__") or not (function.__defaults__ or function.__kwdefaults__):
            continue
        for parameter in written_parameters(function):
            if parameter.default is not parameter.empty:
                for marker in _markers_at(parameter, function.__globals__):
                    yield function, parameter.name, _told(marker)


def _functions_of(endpoint: Any) -> Iterator[Any]:
    if inspect.isclass(endpoint):
        bodies = [vars(base) for base in endpoint.__mro__ if not _is_of_frameworks(base)]
        yield from (thing for body in bodies for thing in body.values() if inspect.isfunction(thing))
    elif inspect.isfunction(endpoint) or inspect.ismethod(endpoint):
        yield getattr(endpoint, "__func__", endpoint)


def _namespace_at(owner: Any) -> dict[str, Any]:
    namespace: dict[str, Any] = getattr(owner, "__globals__", None) or vars(sys.modules.get(owner.__module__, object))
    return namespace


def _markers_at(parameter: inspect.Parameter, namespace: dict[str, Any]) -> Iterator[Any]:
    if _fastapi.is_marker(parameter.default):
        yield parameter.default
    # Those of methods are nearly always plain classes.
    if type(parameter.annotation) is not type:
        try:
            annotation = evaluated(parameter, namespace).annotation
        except Problem:  # whoever reads the parameter tells
            return
        if get_origin(annotation) in (ClassVar, Final):
            (annotation,) = get_args(annotation)
        yield from filter(_fastapi.is_marker, flattened(annotation)[1])


def _is_kept(marker: Any, name: str, kept: Mapping[str, Sequence[Any]], path_names: Collection[str]) -> bool:
    """Whether a parameter has a marker.

    If the signature does not have the parameter, another one that has the marker may be kept by this name. A model has
    the alias of a field in its place.

    Args:
        marker: of the parameter.
        name: of the parameter.
        kept: the parameters that are read, with their markers.
        path_names: the parameters of the template.
    """
    place = place_of(marker)
    if name not in kept:
        name = getattr(marker, "alias", None) or name
    if place is None or name not in kept:
        others = kept[name] if name in kept else chain.from_iterable(kept.values())
        return any(_fastapi.adopt(marker) == _fastapi.adopt(other) for other in others)
    return place in (map(place_of, kept[name]) if kept[name] else ("path" if name in path_names else "query",))


def _lost(marker: Any, name: str, owner: Any) -> str:
    code = _told(marker)
    if inspect.isclass(owner):
        return (
            f"{code} stands at {name!r} in the body of {_name_of(owner)}, whose constructor does not take it, so "
            "nobody reads it; write it as a parameter of `__init__`, or of a function"
        )
    elsewhere = f", or give it to the route: dependencies=[{code}]" if place_of(marker) is None else ""
    return (
        f"{code} stands at the parameter {name!r} of {_name_of(owner)}, and is not in the signature that it shows, so "
        f"nobody reads it; set `__signature__` to one with this parameter{elsewhere}"
    )


def check_dependency(depends: DependencyMarker) -> None:
    """Check that a dependency can run, and does not let everybody in.

    Raises:
        Problem: the scope is unknown, the dependency is not callable, or it is a security scheme that is not called.
    """
    call = depends.dependency
    if depends.scope is not None and depends.scope not in get_args(Lifetime):
        raise Problem(f"Depends(scope={depends.scope!r}): write scope='handshake', 'function' or 'request'")
    _check_scopes(depends.scopes)
    _check_called(call)
    if not callable(call):
        raise Problem(f"Depends({call!r}) is not given a callable; write Depends(function)")
    if flattened(call)[1]:
        raise Problem(f"Depends({call!r}) is given an annotation; write it after the parameter and a colon")
    scheme = _class_behind(call)
    if scheme is not None and _fastapi.is_scheme_class(scheme):
        raise Problem(
            f"the security scheme {scheme.__name__} is not called, so every client would be let in, with a scheme made "
            f"from its query string; write {_scheme_written(scheme, depends)}"
        )
    if scheme is not None:
        _check_class(scheme)
    if _is_framework_marker(call):
        raise Problem(f"{_name_of(call)} itself is no dependency; write {written(call)}")
    if isinstance(call, NewType):
        raise Problem(
            f"the NewType {_name_of(call)} gives back the argument that a client sends; write Depends(function)"
        )
    scheme = getattr(call, "__self__", None)
    _check_credentials(call)
    if _fastapi.is_security_scheme(scheme) and call.__name__ in _REFUSE_NOBODY:
        raise Problem(f"{call.__name__}() of a security scheme refuses nobody; write {written(scheme)}")


def check_made(call: Any, annotation: Any) -> None:
    """Check that somebody can call what a class makes, if it is there to be called.

    A constructor that takes something of the connection may be the guard itself.

    Args:
        call: a dependency.
        annotation: of the parameter that takes the result; None if it is dropped.

    Raises:
        Problem: the class has `__call__`, and nobody takes its instance as one.
    """
    cls = _class_behind(call)
    if cls is None or not any("__call__" in vars(base) for base in cls.__mro__):
        return
    is_unused = (annotation is None or rules_out(annotation, cls)) and not is_abstract(cls)
    if is_unused and not any(_is_of_connection(each, namespace_of(cls)) for each in parameters(cls)):
        raise Problem(
            f"Depends({_name_of(cls)}) makes an instance from what a client sends, and nobody calls it, so everybody "
            f"would be let in; write {written(call)}"
        )


def _is_of_connection(parameter: inspect.Parameter, namespace: dict[str, Any]) -> bool:
    """Whether a parameter is a dependency, or injected by its type."""
    if any(_markers_at(parameter, namespace)):
        return True
    annotation = evaluated(parameter, namespace).annotation
    return any(isinstance(part, type) and issubclass(part, _INJECTED) for part in alternatives(annotation))


def _check_scopes(scopes: Any) -> None:
    is_list = isinstance(scopes, Collection) and not isinstance(scopes, str | bytes)
    if is_list and all(isinstance(scope, str) for scope in scopes):
        return
    texts = [
        scope.decode("latin-1") if isinstance(scope, bytes) else str(scope)
        for scope in (scopes if is_list else [scopes])
    ]
    raise Problem(f"scopes={scopes!r} is no list of texts; write Security(..., scopes={texts!r})")


#: The scheme that makes credentials of a class, by their names in both frameworks.
_SCHEMES = {
    "HTTPAuthorizationCredentials": "HTTPBearer",
    "HTTPBasicCredentials": "HTTPBasic",
    "SubprotocolCredentials": "SubprotocolBearer",
}


def _scheme_for(cls: Any) -> str | None:
    """The scheme whose result is of a class, or of a class that it is derived from; None if it is no result of one."""
    bases = [base.__name__ for base in getattr(cls, "__mro__", ()) if _is_of_frameworks(base)]
    return next((_SCHEMES[name] for name in bases if name in _SCHEMES), None)


#: What is injected by type, besides the classes of `_fastapi.security_scopes_types()`.
_INJECTED = (HTTPConnection, Response, BackgroundTasks, Injected)

#: Types of values that a client sends as text.
_VALUES = (
    *(str, bytes, bytearray, int, float, complex, Decimal, date, time, timedelta, UUID, PurePath),
    *(IPv4Address, IPv6Address, IPv4Network, IPv6Network, list, tuple, set, frozenset, dict),
)


def _check_class(cls: type[Any]) -> None:
    """Check that a class may be a dependency: a client sends the arguments of its constructor."""
    name, made_by = _name_of(cls), _scheme_for(cls)
    if made_by is not None:
        raise Problem(
            f"{name} would be made from values that a client sends, so everybody would be let in; write "
            f"Depends({made_by}(...))"
        )
    injected = (*_INJECTED, *_fastapi.security_scopes_types())
    if issubclass(cls, injected) and _is_of_frameworks(cls):
        raise Problem(f"{name} is injected by type, and is no dependency; remove Depends()")
    if _is_value(cls):
        raise Problem(f"{name} is a type of values, which a client would send; write Depends(function)")


def _is_value(cls: type[Any]) -> bool:
    """Whether a class makes a value of a text. One with a constructor of the user may do anything."""
    if issubclass(cls, Enum):
        return True
    maker = next(base for base in cls.__mro__ if "__new__" in vars(base) or "__init__" in vars(base))
    return issubclass(cls, _VALUES) and maker.__module__.partition(".")[0] in sys.stdlib_module_names


def _is_of_frameworks(cls: type[Any]) -> bool:
    return cls.__module__.partition(".")[0] in ("fastroute", "fastapi", "starlette")


def _check_called(thing: Any) -> None:
    """Check that a thing is not the result of a call in the place of the function."""
    generator = getattr(thing, "gen", None) if type(thing).__module__ == "contextlib" else None
    if generator is None and callable(thing):  # a proxy of a function may have all methods
        return
    if not (generator or inspect.isawaitable(thing) or inspect.isgenerator(thing) or inspect.isasyncgen(thing)):
        return
    if inspect.iscoroutine(thing):
        thing.close()  # nothing awaits it
    name = _name_of(generator or thing)
    raise Problem(f"{name} is called, and nobody uses its result; write Depends({name}) without its parentheses")


def check_bound(call: Any) -> None:
    """Check that `functools.partial` binds no dependency as a value: nothing calls it.

    Raises:
        Problem: a marker is bound by position; or a scheme, or a function that is no value of the parameter's type.
    """
    while isinstance(call, functools.partial):
        for marker in filter(_fastapi.is_marker, call.args):
            raise Problem(f"{_told(marker)} is bound by position, and nobody reads it; bind it by the parameter's name")
        try:
            signature = inspect.signature(call.func)
            bound = signature.bind_partial(*call.args, **call.keywords).arguments
        except (TypeError, ValueError):  # whoever reads the parameters tells
            return
        for name, value in bound.items():
            _check_bound_value(signature.parameters[name], value, namespace_of(call.func))
        call = call.func


def _check_bound_value(parameter: inspect.Parameter, value: Any, namespace: dict[str, Any]) -> None:
    is_scheme = _fastapi.is_security_scheme(value)
    if not is_scheme and not inspect.isroutine(value):
        return
    annotation = evaluated(parameter, namespace).annotation
    if is_scheme if annotation is parameter.empty else rules_out(annotation, type(value)):
        code = written(value)
        raise Problem(
            f"a callable is bound to {parameter.name!r} as a value, and nothing calls it; bind {code} instead"
        )


def _check_credentials(call: Any) -> None:
    """Check that `credentials()` of a scheme is not async and does not yield: else it is never None, and all get in."""
    while isinstance(call, functools.partial):
        call = call.func
    scheme = call if isinstance(call, SecurityBase) else getattr(call, "__self__", None)
    if not isinstance(scheme, SecurityBase) or type(scheme).__call__ is not SecurityBase.__call__:
        return
    method = unwrapped(scheme.credentials)
    kinds = (inspect.iscoroutinefunction, inspect.isasyncgenfunction, inspect.isgeneratorfunction)
    if any(is_kind(method) for is_kind in kinds):
        name = type(scheme).__name__
        raise Problem(
            f"{name}.credentials() is called and not awaited, so every client would be let in; write `def credentials` "
            f"without `async` and `yield`, and await in a dependency that takes Depends({name}(...))"
        )


#: Methods of a scheme that its `__call__` uses.
_REFUSE_NOBODY = ("credentials", "make_not_authenticated_error")


# --- the code to write -------------------------------------------------------------------------------------------

#: Functions that declare a parameter with the value they return, and their classes.
_DEPENDENCIES = ("Depends", "Security", "DependencyMarker")
_PARAMETERS = ("Path", "Query", "Header", "Cookie", "Body", "Form", "File", "MessageRules")


def written(thing: Any) -> str:
    """The code that declares a callable as a dependency, or a marker that counts; `...` stands for arguments."""
    depends = _fastapi.adopt(thing)
    call = depends.dependency if isinstance(depends, DependencyMarker) else thing
    if _is_framework_marker(call):
        name = _name_of(unwrapped(call))
        return f"{name}()" if name in _PARAMETERS else "Depends(function)"
    return f"Depends({_code_of(call) if callable(call) else 'function'})"


def _code_of(call: Any) -> str:
    cls = _class_behind(call)
    if cls is not None:
        called = _fastapi.is_scheme_class(cls) or any("__call__" in vars(base) for base in cls.__mro__)
        return f"{_name_of(cls)}(...)" if called else _name_of(cls)
    if not inspect.isroutine(call):
        return "function" if _gives_itself(call) else f"{type(call).__name__}(...)"
    owner = getattr(call, "__self__", None)
    if inspect.ismethod(call) and not inspect.isclass(owner):
        return f"{type(owner).__name__}(...).{call.__name__}"
    return _name_of(call)


def _name_of(thing: Any) -> str:
    """The name by which the code around its definition knows a function or class."""
    name = getattr(thing, "__qualname__", None)
    parts = name.rpartition("<locals>.")[2].split(".") if isinstance(name, str) else []
    return ".".join(parts) if parts and all(map(str.isidentifier, parts)) else "function"


def _scheme_written(scheme: type[Any], depends: DependencyMarker) -> str:
    if depends.scopes:
        return f"Security({_name_of(scheme)}(...), scopes={[str(scope) for scope in depends.scopes]})"
    return f"Depends({_name_of(scheme)}(...))"


def _told(marker: Any) -> str:
    place = place_of(marker)
    return written(marker) if place is None else f"{place.capitalize()}()"


def _not_around(marker: Any) -> str:
    return (
        f"{_told(marker)} is inside of the annotation, and nobody reads it there; put it around the whole type: "
        f"Annotated[..., {_told(marker)}]"
    )


# --- mistakes ----------------------------------------------------------------------------------------------------


#: What stands in the body of a class, and makes a value or callable of its object.
_OF_CLASSES = (
    property,
    classmethod,
    functools.cached_property,
    functools.partialmethod,
    functools.singledispatchmethod,
)


def _check_metadata(item: Any) -> None:
    if _fastapi.is_marker(item):
        return
    _check_called(item)
    if _is_framework_marker(item):
        raise Problem(f"{_name_of(unwrapped(item))} in Annotated is not called; write {written(item)}")
    is_callable = (callable(item) and not isinstance(item, Not)) or isinstance(item, _OF_CLASSES)
    if is_callable and not hasattr(item, "__get_pydantic_core_schema__"):
        raise Problem(f"{_code_of(item)} in Annotated does nothing; write {written(item)}")
    _check_holder(item)
    check_awaited(item)


def _check_holder(thing: Any) -> None:
    """Check that no collection holds a marker, and no marker of another package a dependency."""
    if isinstance(thing, list | tuple | set | frozenset | deque | Mapping):
        for item in thing.values() if isinstance(thing, Mapping) else thing:
            _check_held(item, thing)
            _check_holder(item)
    elif isinstance(thing, dataclasses.Field | FieldInfo) and not _fastapi.is_marker(thing):
        _check_held(thing.default, thing)
    elif not _fastapi.is_marker(thing):
        dependency = _attribute(thing, "dependency")
        if callable(dependency):
            raise Problem(
                f"{type(thing).__module__}.{type(thing).__qualname__} is of another package, and nobody reads it; "
                f"write {written(dependency)} of fastroute"
            )


def _check_held(item: Any, holder: Any) -> None:
    if _fastapi.is_marker(item):
        raise Problem(f"{_told(item)} is inside of a {type(holder).__name__}, and nobody reads it there; take it out")


def _is_framework_marker(thing: Any) -> bool:
    """Whether it is `Depends`, `Query`, ... itself, ours or FastAPI's, or the class of such a marker."""
    if not callable(thing):
        return False
    function = unwrapped(thing)
    module = str(getattr(function, "__module__", None))
    name = getattr(function, "__name__", None)
    return module.startswith(("fastroute.", "fastapi.")) and name in (*_DEPENDENCIES, *_PARAMETERS)


def _class_behind(call: Any) -> type[Any] | None:
    """The class that a callable makes an instance of; None if it is no class, partial or alias of one."""
    seen: list[Any] = []
    while not any(call is other for other in seen):
        seen.append(call)
        call, _ = flattened(unwrapped(call))
        origin = get_origin(call)
        if isinstance(origin, type):
            call = origin
    return call if isinstance(call, type) else None


#: The code of a method that gives its object.
_ITSELF = (lambda self: self).__code__.co_code


def _gives_itself(call: Any) -> bool:
    """Whether a call of the object returns the object: the markers of containers do, which the container replaces."""
    while isinstance(call, functools.partial):
        call = call.func
    code = getattr(getattr(type(call), "__call__", None), "__code__", None)  # noqa: B004  # the method itself is wanted
    return code is not None and code.co_code == _ITSELF


def _is_instance(thing: Any, cls: type[Any]) -> bool:
    try:
        return isinstance(thing, cls)
    except TypeError:  # a protocol
        return False
