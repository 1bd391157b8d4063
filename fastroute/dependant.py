"""Signature -> tree of dependants. Runs when a route is declared: nothing here awaits."""

import asyncio
import contextlib
import copy
import functools
import inspect
import sys
import typing
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, is_dataclass, replace
from enum import Enum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel, Field, Json, TypeAdapter
from pydantic.errors import PydanticUserError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined
from starlette.background import BackgroundTasks
from starlette.datastructures import UploadFile
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.websockets import WebSocket
from typing_extensions import TypeAliasType

from . import _fastapi
from .exceptions import DeclarationError
from .params import Concurrency, Dependency, DependencyScope, Place, SecurityScopes

__all__ = ["CallKind", "Dependant", "ModelKey", "ModelReader", "ParamField", "get_dependant"]

_SEQUENCES = (list, tuple, set, frozenset, deque, Sequence)


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


@dataclass(slots=True)
class ModelKey:
    """The keys that may fill one field of a pydantic model.

    Attributes:
        name: the field.
        aliases: pairs of the name that the model validates and the key that a client sends, in order of preference.
        sequence: whether all values of the key are collected.
    """

    name: str
    aliases: list[tuple[str, str]]
    sequence: bool


@dataclass(slots=True)
class ModelReader:
    """How a pydantic model is filled from the query string, the headers or the cookies.

    Attributes:
        keys: one for each field of the model.
        optional: `Model | None`: nothing sent for it means that it is absent.
        extras: the model allows or forbids other keys, so that they count as sent for it.
        loc_by_alias: errors name the key and not the field.
    """

    keys: list[ModelKey]
    optional: bool
    extras: bool
    loc_by_alias: bool


@dataclass(slots=True)
class ParamField:
    """One parameter that is read from the connection.

    Attributes:
        name: the parameter of the call.
        place: where it is looked for.
        keys: the keys it is looked up by; the first that is present wins.
        info: pydantic's view of it, constraints and default included.
        adapter: validates a value.
        required: an absent value is an error.
        default, default_factory: the value where none was sent; the factory wins, and there is one where the
            default is mutable.
        validate_default: the default is validated like a value that was sent.
        sequence: all values of the key are collected.
        model: set where a pydantic model is filled from many keys.
    """

    name: str
    place: Place
    keys: tuple[str, ...]
    info: FieldInfo
    adapter: TypeAdapter[Any]
    required: bool
    default: Any
    default_factory: Callable[[], Any] | None
    validate_default: bool
    sequence: bool
    model: ModelReader | None

    @property
    def alias(self) -> str:
        """The key that is preferred."""
        return self.keys[0]


@dataclass(slots=True)
class Dependant:
    """A callable and all that it needs: the node of a route's tree of dependencies (`fastapi`'s `Dependant`).

    Attributes:
        call: the endpoint or dependency.
        path: the template of the route, without convertors.
        name: the parameter that receives the result, or None where the result is dropped.
        path_params, query_params, header_params, cookie_params: what is read from the connection.
        dependencies: what has to be called before.
        websocket_param_name, http_connection_param_name: parameters that receive the WebSocket.
        security_scopes_param_name: the parameter that receives the scopes, as a `security_scopes_type`.
        own_scopes, security_scopes: scopes of this `Security()`; and these behind those of its parents.
        use_cache, scope, concurrency: as in `Depends()`.
        kind: how it is run.
        uses_scopes: something here or below asks for security scopes, so that they are part of the cache key.
    """

    call: Callable[..., Any]
    path: str
    name: str | None = None
    path_params: list[ParamField] = field(default_factory=list)
    query_params: list[ParamField] = field(default_factory=list)
    header_params: list[ParamField] = field(default_factory=list)
    cookie_params: list[ParamField] = field(default_factory=list)
    dependencies: list["Dependant"] = field(default_factory=list)
    websocket_param_name: str | None = None
    http_connection_param_name: str | None = None
    security_scopes_param_name: str | None = None
    security_scopes_type: type[Any] = SecurityScopes
    own_scopes: tuple[str, ...] = ()
    security_scopes: tuple[str, ...] = ()
    use_cache: bool = True
    scope: DependencyScope | None = None
    concurrency: Concurrency | None = None
    kind: CallKind = CallKind.COROUTINE
    uses_scopes: bool = False

    @property
    def lifetime(self) -> DependencyScope | None:
        """When the clean-up runs; None where there is neither one nor a declared scope."""
        if self.scope is None and self.kind.yields:
            return "request"
        return self.scope

    @property
    def fields(self) -> Iterator[ParamField]:
        """All that is read from the connection, in the order in which it is validated."""
        yield from self.path_params
        yield from self.query_params
        yield from self.header_params
        yield from self.cookie_params


def get_dependant(
    *,
    path: str,
    call: Callable[..., Any],
    path_names: Collection[str],
    dependencies: Sequence[Any] = (),
    name: str | None = None,
    parent_scopes: tuple[str, ...] = (),
    scope: DependencyScope | None = None,
    concurrency: Concurrency | None = None,
    use_cache: bool = True,
) -> Dependant:
    """The tree of a callable (`fastapi.dependencies.utils.get_dependant`).

    Args:
        path: the template without convertors, for error messages of connections.
        call: the endpoint, or the replacement of a dependency.
        path_names: the parameters of the template.
        dependencies: `Depends()` that run before all others and whose results are dropped.
        name, parent_scopes, scope, concurrency, use_cache: of the node that is made.

    Raises:
        DeclarationError: a signature asks for what cannot be had; the message names the place and the fix.
    """
    tree = _Tree(path, frozenset(path_names))
    dependant = tree.node(Dependency(call, use_cache, scope, concurrency), name, parent_scopes)
    leading = []
    for marker in dependencies:
        depends = _fastapi.adopt(marker)
        if not isinstance(depends, Dependency) or depends.dependency is None:
            raise DeclarationError(call, None, f"dependencies=[...] takes Depends(function), not {marker!r}")
        leading.append(tree.node(depends, None, ()))
    dependant.dependencies[:0] = leading
    return dependant


class _Tree:
    """Builds the nodes of one tree; equal subtrees are one object, so that a diamond costs linear time."""

    def __init__(self, path: str, path_names: frozenset[str]) -> None:
        self.path = path
        self.path_names = path_names
        self.nodes: dict[Any, Dependant] = {}
        self.active: list[Callable[..., Any]] = []

    def node(self, depends: Dependency, name: str | None, parent_scopes: tuple[str, ...]) -> Dependant:
        call = depends.dependency
        assert call is not None
        own_scopes = tuple(depends.scopes)
        key = (id(call), own_scopes, parent_scopes, depends.use_cache, depends.scope, id(depends.concurrency))
        node = self.nodes.get(key)
        if node is None:
            if any(call is active for active in self.active):
                raise DeclarationError(call, None, "depends on itself; break the cycle")
            self.active.append(call)
            node = self.nodes[key] = self._build(call, depends, own_scopes, parent_scopes)
            self.active.pop()
        return replace(node, name=name)

    def _build(
        self,
        call: Callable[..., Any],
        depends: Dependency,
        own_scopes: tuple[str, ...],
        parent_scopes: tuple[str, ...],
    ) -> Dependant:
        scopes = tuple(dict.fromkeys(parent_scopes + own_scopes))
        node = Dependant(
            call,
            self.path,
            own_scopes=own_scopes,
            security_scopes=scopes,
            use_cache=depends.use_cache,
            scope=depends.scope,
            concurrency=depends.concurrency,
            kind=_call_kind(call),
        )
        for parameter in _parameters(call):
            self._add_parameter(node, parameter)
        node.uses_scopes = (
            bool(own_scopes)
            or node.security_scopes_param_name is not None
            or _fastapi.is_security_scheme(_unwrapped(call))
            or any(dependency.uses_scopes for dependency in node.dependencies)
        )
        return node

    def _add_parameter(self, node: Dependant, parameter: inspect.Parameter) -> None:
        call, name = node.call, parameter.name
        declared = _declaration(call, parameter)
        if isinstance(declared.marker, Dependency):
            depends = declared.marker
            if depends.dependency is None:
                depends = replace(depends, dependency=_dependency_of_annotation(call, name, declared.type))
            if depends.scope is not None and depends.scope not in get_args(DependencyScope):
                raise DeclarationError(
                    call, name, f"Depends(scope={depends.scope!r}): a scope is 'handshake', 'function' or 'request'"
                )
            if not callable(depends.dependency):
                raise DeclarationError(call, name, f"Depends({depends.dependency!r}): not a callable")
            node.dependencies.append(self.node(depends, name, node.security_scopes))
        elif (special := _special_type(declared.type)) is not None:
            self._add_special(node, name, declared, special)
        else:
            read = _param_field(call, name, declared, self.path_names)
            {
                "path": node.path_params,
                "query": node.query_params,
                "header": node.header_params,
                "cookie": node.cookie_params,
            }[read.place].append(read)

    def _add_special(self, node: Dependant, name: str, declared: "_Declaration", special: type[Any]) -> None:
        if declared.marker is not None:
            raise DeclarationError(
                node.call, name, f"a {special.__name__} is given as it is; remove {declared.marker!r}"
            )
        if issubclass(special, WebSocket):
            self._set_once(node, "websocket_param_name", name)
        elif issubclass(special, _fastapi.security_scopes_types()):
            self._set_once(node, "security_scopes_param_name", name)
            node.security_scopes_type = special
        elif not issubclass(special, Request) and issubclass(special, HTTPConnection):
            self._set_once(node, "http_connection_param_name", name)
        elif issubclass(special, Request) and _fastapi.is_security_scheme(_unwrapped(node.call)):
            # A scheme that was written for HTTP only: what it reads of a Request, a WebSocket has as well.
            self._set_once(node, "http_connection_param_name", name)
        elif declared.default is inspect.Parameter.empty:
            raise DeclarationError(node.call, name, _not_on_a_websocket(special))

    def _set_once(self, node: Dependant, attribute: str, name: str) -> None:
        other = getattr(node, attribute)
        if other is not None:
            raise DeclarationError(node.call, name, f"is the same as parameter {other!r}; remove one of them")
        setattr(node, attribute, name)


# --- callables ---------------------------------------------------------------------------------------------------


def _without_partial(call: Any) -> Any:
    while isinstance(call, functools.partial):
        call = call.func
    return call


def _unwrapped(call: Any) -> Any:
    return inspect.unwrap(_without_partial(call))


def _is_context_manager_function(call: Any) -> bool:
    """Whether `contextlib.contextmanager` or `asynccontextmanager` made it."""
    return inspect.isfunction(call) and call.__globals__ is vars(contextlib) and hasattr(call, "__wrapped__")


def runnable(call: Callable[..., Any]) -> Callable[..., Any]:
    """What is run for a dependency: the generator function below `contextlib.contextmanager`, else the call."""
    if _is_context_manager_function(call):
        wrapped: Callable[..., Any] = call.__wrapped__  # type: ignore[attr-defined]  # asserted just above
        return wrapped
    return call


def _functions(call: Any) -> Iterator[Any]:
    """The functions whose kind tells how a callable is run."""
    plain, unwrapped = _without_partial(call), _unwrapped(call)
    yield plain
    yield unwrapped
    if inspect.isclass(unwrapped):
        return
    for thing in (plain, unwrapped):
        dunder = getattr(thing, "__call__", None)  # noqa: B004  # the method itself is wanted
        if dunder is not None:
            yield _without_partial(dunder)
            yield _unwrapped(dunder)


# Up to 3.12 only asyncio's own test knows its `_is_coroutine` mark; from 3.13 on inspect's is the same.
_is_coroutine_function = inspect.iscoroutinefunction if sys.version_info >= (3, 13) else asyncio.iscoroutinefunction


def _call_kind(call: Callable[..., Any]) -> CallKind:
    functions = list(_functions(runnable(call)))
    if any(inspect.isasyncgenfunction(function) for function in functions):
        return CallKind.ASYNC_GENERATOR
    if any(inspect.isgeneratorfunction(function) for function in functions):
        return CallKind.GENERATOR
    if any(inspect.isroutine(function) and _is_coroutine_function(function) for function in functions):
        return CallKind.COROUTINE
    return CallKind.THREAD


def _bound_keywords(call: Any) -> set[str]:
    """The parameters that `functools.partial` has settled."""
    names: set[str] = set()
    while isinstance(call, functools.partial):
        names.update(call.keywords)
        call = call.func
    return names


# --- signatures --------------------------------------------------------------------------------------------------


def _parameters(call: Callable[..., Any]) -> list[inspect.Parameter]:
    """The parameters that have to be filled, annotations evaluated."""
    bound = _bound_keywords(call)
    signature = _signature(call)
    namespace = _namespace(call)
    parameters = []
    for parameter in signature.parameters.values():
        if parameter.name in bound and not _is_marker(parameter.default):
            continue
        _refuse_kind(call, parameter)
        annotation = _evaluated(call, parameter, namespace)
        parameters.append(parameter.replace(annotation=annotation))
    return parameters


def _signature(call: Callable[..., Any]) -> inspect.Signature:
    try:
        if sys.version_info >= (3, 14):
            from annotationlib import Format

            return inspect.signature(call, annotation_format=Format.FORWARDREF)
        return inspect.signature(call)
    except (TypeError, ValueError) as error:
        raise DeclarationError(call, None, f"its parameters cannot be read ({error}); wrap it in a function") from None


def _namespace(call: Any) -> dict[str, Any]:
    """The globals in which the annotations of a callable are evaluated."""
    function = _unwrapped(call)
    if inspect.isclass(function):
        function = function.__init__
    elif not hasattr(function, "__globals__") and not inspect.ismethod(function):
        function = getattr(type(function), "__call__", function)  # noqa: B004  # the method itself is wanted
    function = inspect.unwrap(function)
    namespace: dict[str, Any] = getattr(function, "__globals__", {})
    return namespace


def _refuse_kind(call: Callable[..., Any], parameter: inspect.Parameter) -> None:
    if parameter.kind is parameter.POSITIONAL_ONLY:
        problem = "is positional-only, but arguments are passed by name; remove the `/`"
    elif parameter.kind is parameter.VAR_POSITIONAL:
        problem = "nothing can be passed as *args; name the parameters (a decorator needs functools.wraps)"
    elif parameter.kind is parameter.VAR_KEYWORD:
        problem = "nothing can be passed as **kwargs; name the parameters (a decorator needs functools.wraps)"
    else:
        return
    raise DeclarationError(call, parameter.name, problem)


def _evaluated(call: Callable[..., Any], parameter: inspect.Parameter, namespace: dict[str, Any]) -> Any:
    annotation = parameter.annotation
    if annotation is parameter.empty:
        return annotation
    holder = type("holder", (), {})
    holder.__annotations__ = {parameter.name: annotation}
    try:
        evaluated = typing.get_type_hints(holder, namespace, {}, include_extras=True)[parameter.name]
    except Exception as error:
        raise DeclarationError(
            call,
            parameter.name,
            f"its annotation {annotation!r} cannot be evaluated ({error}); a name in it has to be importable at run "
            "time, at the top of its module and not under TYPE_CHECKING",
        ) from None
    while isinstance(evaluated, TypeAliasType):
        evaluated = evaluated.__value__
    return evaluated


# --- one parameter -----------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Declaration:
    """What a parameter's annotation and default say.

    Attributes:
        type: the annotation without metadata; Any where there is none.
        metadata: the metadata of `Annotated`, that of a marker given as the default behind it.
        marker: `Depends()`, `Query()`, ... or None.
        default: the plain default, or empty.
        in_annotated: the marker stands in `Annotated`.
    """

    type: Any
    metadata: tuple[Any, ...]
    marker: Any
    default: Any
    in_annotated: bool


def _is_marker(thing: object) -> bool:
    return isinstance(_fastapi.adopt(thing), Dependency) or (
        isinstance(thing, FieldInfo) and (hasattr(thing, "in_") or _fastapi.is_body(thing))
    )


def _declaration(call: Callable[..., Any], parameter: inspect.Parameter) -> _Declaration:
    name, annotation, default = parameter.name, parameter.annotation, parameter.default
    metadata: tuple[Any, ...] = ()
    if annotation is parameter.empty:
        annotation = Any
    elif get_origin(annotation) is Annotated:
        annotation, *rest = get_args(annotation)
        metadata = tuple(rest)
    for item in metadata:
        if callable(item) and not _is_marker(item) and not hasattr(item, "__get_pydantic_core_schema__"):
            raise DeclarationError(call, name, f"{item!r} in Annotated does nothing; write Depends({_name_of(item)})")
    markers = [item for item in metadata if _is_marker(item)]
    marker = _fastapi.adopt(markers[-1]) if markers else None
    if isinstance(default, FieldInfo) or _is_marker(default):
        if marker is not None:
            raise DeclarationError(
                call, name, f"{marker!r} in Annotated and {default!r} as the default; remove one of them"
            )
        if not _is_marker(default):
            raise DeclarationError(call, name, "Field() as the default says no place; write Query(), Header(), ...")
        default = _fastapi.adopt(default)
        if not isinstance(default, Dependency):
            metadata += (default,)
        return _Declaration(annotation, metadata, default, parameter.empty, False)
    if default is not parameter.empty and callable(default) and not isinstance(default, BaseModel):
        raise DeclarationError(
            call, name, f"the default is a callable that nothing calls; write Depends({_name_of(default)})"
        )
    return _Declaration(annotation, metadata, marker, default, marker is not None)


def _name_of(call: Any) -> str:
    return getattr(call, "__name__", None) or type(call).__name__


def _dependency_of_annotation(call: Callable[..., Any], name: str, annotation: Any) -> Callable[..., Any]:
    if annotation is Any:
        raise DeclarationError(call, name, "Depends() takes what to call from the annotation, and there is none")
    if not callable(annotation):
        raise DeclarationError(call, name, f"Depends() cannot call the annotation {annotation!r}; name the call")
    result: Callable[..., Any] = annotation
    return result


_SPECIAL = (HTTPConnection, Response, BackgroundTasks)


def _special_type(annotation: Any) -> type[Any] | None:
    """The class where an annotation asks for something that is given as it is, as WebSocket."""
    special = (*_SPECIAL, *_fastapi.security_scopes_types())
    kinds = [get_origin(part) or part for part in _alternatives(annotation) if part is not type(None)]
    if not kinds or not all(isinstance(kind, type) and issubclass(kind, special) for kind in kinds):
        return None
    given = [kind for kind in kinds if issubclass(WebSocket, kind) or issubclass(kind, WebSocket)]
    first: type[Any] = (given or kinds)[0]
    return first


def _not_on_a_websocket(special: type[Any]) -> str:
    if issubclass(special, Request):
        return (
            "a WebSocket has no Request; annotate WebSocket, or HTTPConnection where HTTP routes share the "
            "function, or give it the default None"
        )
    if issubclass(special, Response):
        return "there is no Response to a WebSocket; pass headers to websocket.accept(headers=...)"
    return "nothing runs BackgroundTasks on a WebSocket; start a task group in the endpoint"


def _param_field(call: Callable[..., Any], name: str, declared: _Declaration, path_names: frozenset[str]) -> ParamField:
    marker = declared.marker
    if _fastapi.is_body(marker) or (marker is None and _is_upload(declared.type)):
        raise DeclarationError(call, name, "a WebSocket has no body; " + _BODY_FIX)
    place = _place(call, name, declared, path_names)
    info = _field_info(call, name, declared)
    json = any(type(item) is Json for item in info.metadata)
    sequence = not json and _is_sequence(info.annotation)
    model = None if json or place == "path" else _model_of(info.annotation)
    _refuse_type(call, name, place, info, json)
    keys = _keys(name, place, marker, info, path_names)
    if place == "path" and keys[0] not in path_names:
        known = ", ".join(sorted(path_names)) or "none"
        raise DeclarationError(
            call,
            name,
            f"Path(): the route's path has no {keys[0]!r}, it has {known}; a parameter of an outer Mount is read "
            "from websocket.path_params",
        )
    default, default_factory = _default(call, name, info)
    return ParamField(
        name,
        place,
        keys,
        info,
        _adapter(call, name, info),
        required=place == "path" or info.is_required(),
        default=default,
        default_factory=default_factory,
        validate_default=bool(info.validate_default),
        sequence=sequence,
        model=None if model is None else _model_reader(model, info, place, marker),
    )


_BODY_FIX = (
    "read a message with websocket.receive_json(), or name the place: "
    "Annotated[..., Query()], Header() or Cookie() (also for a pydantic model)"
)


def _place(call: Callable[..., Any], name: str, declared: _Declaration, path_names: frozenset[str]) -> Place:
    if declared.marker is None:
        if name in path_names:
            return "path"
        if not _is_scalar(declared.type):
            raise DeclarationError(
                call, name, f"{_name_of(declared.type)} would be the body, and a WebSocket has none; {_BODY_FIX}"
            )
        return "query"
    # FastAPI's is an enum, and missing on the base class of its markers.
    in_: Any = getattr(declared.marker, "in_", "query")
    place: Place = getattr(in_, "value", in_)
    if name in path_names and place != "path":
        raise DeclarationError(call, name, f"the route's path has {{{name}}}; write Path() instead, or rename it")
    if name in path_names and declared.default is not inspect.Parameter.empty:
        raise DeclarationError(call, name, "a path parameter is always there; remove its default")
    return place


def _field_info(call: Callable[..., Any], name: str, declared: _Declaration) -> FieldInfo:
    """pydantic's merge of all that the annotation and the marker say."""
    annotation: Any = Annotated[declared.type, *declared.metadata] if declared.metadata else declared.type
    info = FieldInfo.from_annotation(annotation)
    if declared.marker is not None and not declared.in_annotated:
        return info
    if declared.in_annotated and info.default is not PydanticUndefined:
        raise DeclarationError(
            call, name, f"a default inside Annotated is not used; write `= {info.default!r}` behind the annotation"
        )
    info = copy.copy(info)
    info.default = PydanticUndefined if declared.default is inspect.Parameter.empty else declared.default
    return info


def _keys(name: str, place: Place, marker: Any, info: FieldInfo, path_names: frozenset[str]) -> tuple[str, ...]:
    alias = info.alias
    if not alias:
        alias = name.replace("_", "-") if getattr(marker, "convert_underscores", False) else name
    validation_alias = info.validation_alias
    if isinstance(validation_alias, AliasChoices):
        choices = [choice for choice in validation_alias.choices if isinstance(choice, str)]
        if len(choices) < len(validation_alias.choices):
            return (alias,)
        if place == "path":
            return (next((choice for choice in choices if choice in path_names), alias),)
        return tuple(choices)
    if isinstance(validation_alias, str) and validation_alias:
        return (validation_alias,)
    return (alias,)


def _default(call: Callable[..., Any], name: str, info: FieldInfo) -> tuple[Any, Callable[[], Any] | None]:
    if info.default_factory is not None:
        if getattr(info, "default_factory_takes_validated_data", False):
            raise DeclarationError(call, name, "default_factory gets no other values here; take no argument")
        return None, typing.cast(Callable[[], Any], info.default_factory)
    try:
        mutable = copy.deepcopy(info.default) is not info.default
    except Exception:  # what cannot be copied can only be shared
        mutable = False
    return info.default, functools.partial(copy.deepcopy, info.default) if mutable else None


def _adapter(call: Callable[..., Any], name: str, info: FieldInfo) -> TypeAdapter[Any]:
    if any(base.__module__.startswith("pydantic.v1") for base in getattr(info.annotation, "__mro__", ())):
        raise DeclarationError(call, name, "pydantic.v1 models are not supported; derive from pydantic.BaseModel")
    metadata = list(info.metadata)
    if info.discriminator is not None:
        metadata.append(Field(discriminator=info.discriminator))
    annotation: Any = Annotated[info.annotation, *metadata] if metadata else info.annotation
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        # There is only one once the schema is complete: no surprise on the first connection.
        _ = adapter.validator.validate_python
    except (PydanticUserError, NameError, TypeError) as error:
        raise DeclarationError(
            call, name, f"pydantic cannot validate {info.annotation!r}: {str(error).splitlines()[0]}"
        ) from error
    return adapter


# --- annotations -------------------------------------------------------------------------------------------------


def _alternatives(annotation: Any) -> Iterator[Any]:
    """The members of a union, without `Annotated`; any other annotation is its own only alternative."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from _alternatives(get_args(annotation)[0])
    elif origin is Union or origin is UnionType:
        for part in get_args(annotation):
            yield from _alternatives(part)
    else:
        yield annotation


def _is_subclass(thing: Any, classes: Any) -> bool:
    return isinstance(thing, type) and get_origin(thing) is None and issubclass(thing, classes)


def _is_sequence_class(annotation: Any) -> bool:
    kind = get_origin(annotation) or annotation
    return _is_subclass(kind, _SEQUENCES) and not issubclass(kind, (str, bytes))


def _is_sequence(annotation: Any) -> bool:
    return any(_is_sequence_class(part) for part in _alternatives(annotation))


def _is_complex(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return any(
        _is_subclass(kind, (BaseModel, Mapping, UploadFile)) or _is_sequence_class(kind) or is_dataclass(kind)
        for kind in (annotation, origin)
    ) or any(hasattr(origin, hook) for hook in ("__pydantic_core_schema__", "__get_pydantic_core_schema__"))


def _is_scalar(annotation: Any) -> bool:
    return not any(_is_complex(part) for part in _alternatives(annotation))


def _is_scalar_sequence(annotation: Any) -> bool:
    found = False
    for part in _alternatives(annotation):
        if _is_sequence_class(part) and all(item is ... or _is_scalar(item) for item in get_args(part)):
            found = True
        elif _is_complex(part):
            return False
    return found


def _is_upload(annotation: Any) -> bool:
    return any(_is_subclass(part, UploadFile) for part in _alternatives(annotation))


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The model of `Model` and `Model | None`."""
    parts = get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)
    models = [part for part in parts if part is not type(None)]
    if len(models) == 1 and len(parts) <= 2 and _is_subclass(models[0], BaseModel):
        model: type[BaseModel] = models[0]
        return model
    return None


def _refuse_type(call: Callable[..., Any], name: str, place: Place, info: FieldInfo, json: bool) -> None:
    annotation = info.annotation
    if json or _is_scalar(annotation):
        return
    if place == "path":
        raise DeclarationError(call, name, f"a path parameter is one value, {annotation!r} is not")
    if place == "query" and not _is_scalar_sequence(annotation) and _model_of(annotation) is None:
        raise DeclarationError(
            call, name, f"the query string cannot fill {annotation!r}; use a scalar, a list of scalars or one model"
        )
    if place == "cookie" and _is_sequence(annotation):
        raise DeclarationError(
            call, name, f"a cookie is one value, {annotation!r} is not; take a str and split it, or use Json[...]"
        )


# --- models ------------------------------------------------------------------------------------------------------


def _model_reader(model: type[BaseModel], info: FieldInfo, place: Place, marker: Any) -> ModelReader:
    convert = place == "header" and getattr(marker, "convert_underscores", False)
    markers = _header_markers(model) if place == "header" else {}
    keys = []
    for name, field_info in model.model_fields.items():
        own = markers.get(name, field_info)
        converts = place == "header" and getattr(own, "convert_underscores", convert)
        json = any(type(item) is Json for item in field_info.metadata)
        sequence = not json and place != "cookie" and _is_sequence(field_info.annotation)
        keys.append(ModelKey(name, _model_aliases(model, name, field_info, converts), sequence))
    config = model.model_config
    return ModelReader(
        keys,
        optional=info.annotation is not model,
        extras=config.get("extra") in ("allow", "forbid"),
        loc_by_alias=bool(config.get("loc_by_alias", True)),
    )


def _header_markers(model: type[BaseModel]) -> dict[str, Any]:
    """`Header()` in the `Annotated` of a field: pydantic keeps of it only what it knows itself."""
    try:
        hints = typing.get_type_hints(model, include_extras=True)
    except NameError:
        return {}
    found = {}
    for name, hint in hints.items():
        if get_origin(hint) is Annotated:
            markers = [item for item in get_args(hint)[1:] if hasattr(item, "convert_underscores")]
            if markers:
                found[name] = markers[-1]
    return found


def _model_aliases(
    model: type[BaseModel], name: str, info: FieldInfo, convert_underscores: bool
) -> list[tuple[str, str]]:
    validation_alias = info.validation_alias
    alias = validation_alias if isinstance(validation_alias, str) and validation_alias else info.alias or name
    request_name = name.replace("_", "-") if convert_underscores else name
    aliases = [(alias, request_name if alias == name else alias)]
    if isinstance(validation_alias, AliasPath):
        return aliases
    if isinstance(validation_alias, AliasChoices):
        choices = [choice for choice in validation_alias.choices if isinstance(choice, str)]
        if len(choices) < len(validation_alias.choices):
            return aliases
        aliases = [(choice, choice) for choice in choices]
    # A field that is a model, dict or dataclass has a configuration of its own.
    own_config = any(_is_subclass(part, (BaseModel, dict)) for part in (info.annotation,)) or is_dataclass(
        info.annotation
    )
    config = {} if own_config else model.model_config
    by_alias = config.get("validate_by_alias") is not False
    by_name = config.get("validate_by_name", config.get("populate_by_name", False))
    if not by_alias:
        return [(name, request_name)]
    if by_name and name not in [validated for validated, _ in aliases]:
        aliases.append((name, request_name))
    return aliases
