"""Mistakes in the declarations of routes that only show beside the rest of the application.

Each of them is legal, and no framework complains: a dependency that only other routes get, a parameter that is read
from another place than its path, a name that is spelt differently. `check` reports them. A wrong report is worse than
a missing one, so nothing is said about custom convertors, or about a route that middleware may take care of.
"""

import dis
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import Enum
from functools import cached_property
from types import CodeType
from typing import Any, Literal, NamedTuple
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError
from starlette.routing import PARAM_REGEX, Route, WebSocketRoute

from .. import _fastapi
from .._starlette import mounted_app
from ..connection.messages import MessageTypes
from ..dependencies.dependant import Dependant
from ..dependencies.fields import ParamField
from ..dependencies.markers import unread
from ..matching.template import kind_of
from ..routing import APIWebSocketRoute
from ..security import APIKeyCookie, HTTPBasic
from ..tracing.entries import Entry, entries, location

__all__ = ["Mistake", "MistakeKind", "mistakes"]

MistakeKind = Literal[
    "missing_dependencies",
    "markers_that_nobody_reads",
    "class_dependency",
    "scopes_that_nobody_reads",
    "scheme_that_refuses_nobody",
    "query_named_like_path_parameter",
    "path_parameter_that_no_template_has",
    "template_parameter_that_nobody_reads",
    "braces_that_are_text",
    "type_that_never_fits",
    "endpoint_without_websocket",
    "credentials_from_any_origin",
]


class Mistake(NamedTuple):
    """A mistake in the declaration of one route.

    Attributes:
        kind: the sort of mistake, for tools.
        entry: the route.
        inside: the mounts and hosts around it.
        text: the mistake and the fix, without the route: the same text for each route with the same mistake.
    """

    kind: MistakeKind
    entry: Entry
    inside: tuple[Entry, ...]
    text: str


def mistakes(app: Any) -> list[Mistake]:
    """The mistakes in the declarations of an application's routes, in the order of the routes."""
    return [*_missing_dependencies(entries(app), ()), *_mistakes(entries(app), ())]


def _mistakes(tree: Sequence[Entry], inside: tuple[Entry, ...]) -> Iterator[Mistake]:
    for entry in tree:
        if entry.kind not in ("included", "frontend", "other"):
            declared = _Declared(entry, inside)
            for kind, find in _KINDS.items():
                for text in dict.fromkeys(find(declared)):
                    yield Mistake(kind, entry, inside, text)
        yield from _mistakes(entry.children, entry.around_children(inside))


# --- one route and all it calls ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Field:
    """One parameter that is read from a connection, of our `Dependant` or of FastAPI's."""

    call: Callable[..., Any]
    name: str
    place: str
    key: str
    required: bool
    adapter: TypeAdapter[Any] | None

    @property
    def owner(self) -> str:
        return f"parameter {self.name!r} of {location(self.call)}"


class _Declared:
    """A route, the parameters of the paths around it, and the tree of callables behind it."""

    def __init__(self, entry: Entry, inside: Sequence[Entry]) -> None:
        self.entry = entry
        self.outer = {name: convertor for outer in inside for name, convertor in _parameters(outer).items()}
        self.parameters = _parameters(entry)

    @cached_property
    def dependants(self) -> list[Any]:
        """The endpoint's `Dependant` and those below it, each once; none if the route has no such tree."""
        found: list[Any] = []
        seen: set[int] = set()
        waiting = [getattr(self.entry.route, "dependant", None)]
        while waiting:
            dependant = waiting.pop(0)
            # Equal subtrees of ours share the list of their dependencies.
            if dependant is not None and dependant.call is not None and id(dependant.dependencies) not in seen:
                seen.add(id(dependant.dependencies))
                found.append(dependant)
                waiting += dependant.dependencies
        return found

    @cached_property
    def fields(self) -> list[_Field]:
        places = ("path", "query", "header", "cookie")
        return [
            read
            for dependant in self.dependants
            for place in places
            for field in getattr(dependant, f"{place}_params")
            for read in _fields(dependant.call, place, field)
        ]


def _parameters(entry: Entry) -> dict[str, Any]:
    """The convertors by name, of the parameters that the path or host itself names."""
    convertors = getattr(entry.route, "param_convertors", None) or {}
    return {match[1]: convertors[match[1]] for match in PARAM_REGEX.finditer(entry.path) if match[1] in convertors}


def _fields(call: Callable[..., Any], place: str, field: Any) -> Iterator[_Field]:
    if isinstance(field, ParamField):
        keys = field.keys if field.model is None else [key for item in field.model.keys for _, key in item.aliases]
        required = field.required and field.model is None
        yield from (_Field(call, field.name, place, key, required, field.adapter) for key in keys)
        return
    model = field.field_info.annotation
    if inspect.isclass(model) and issubclass(model, BaseModel):
        for name, info in model.model_fields.items():
            yield _Field(call, name, place, info.alias or name, False, None)
        return
    required = field.field_info.is_required()
    yield _Field(call, field.name, place, _fastapi.field_key(field), required, _fastapi.field_adapter(field))


# --- dependencies ------------------------------------------------------------------------------------------------


def _missing_dependencies(
    tree: Sequence[Entry], inside: tuple[Entry, ...], outer: Sequence[Any] = ()
) -> Iterator[Mistake]:
    """Routes that were put into `routes` of FastAPI's application or router, without the dependencies it demands."""
    for entry in tree:
        demanded = [*outer, *_fastapi.demanded_dependencies(entry.router)]
        below = entry.around_children(inside)
        if entry.kind == "included":
            yield from _missing_dependencies(entry.children, below)
        elif entry.kind in ("mount", "host"):
            yield from _missing_dependencies(entry.children, below, demanded if _is_only_a_router(entry) else ())
        elif demanded and entry.kind in ("http", "websocket") and not entry.wrapped:
            if _fastapi.is_documentation(entry.endpoint):
                continue
            called = [dependant.call for dependant in _Declared(entry, inside).dependants]
            missing = [call for call in demanded if not any(call == other for other in called)]
            names = ", ".join(dict.fromkeys(map(location, missing)))
            if missing:
                yield Mistake("missing_dependencies", entry, inside, f"does not get {names}: {_MISSING_FIX}")


_MISSING_FIX = (
    "FastAPI gives the dependencies=[...] of an application or router only to routes made by its own methods. "
    "Name them at this route as well: dependencies=[Depends(...)]"
)


def _is_only_a_router(entry: Entry) -> bool:
    """Whether a mount has only a router: an application or middleware may have guards of its own."""
    app = mounted_app(entry.route)
    return not entry.wrapped and not hasattr(app, "router")


def _markers_that_nobody_reads(declared: _Declared) -> Iterator[str]:
    route = declared.entry.route
    if type(route) in (Route, WebSocketRoute):
        for function, name, code in unread(route.endpoint):
            yield (
                f"has {code} at the parameter {name!r} of {location(function)}, and Starlette's {type(route).__name__} "
                "does not read it. Make an APIWebSocketRoute of it, or a route of FastAPI"
            )


def _class_dependencies(declared: _Declared) -> Iterator[str]:
    for dependant in declared.dependants[1:]:
        cls = dependant.call
        if inspect.isclass(cls) and any("__call__" in vars(base) for base in cls.__mro__):
            name = cls.__name__
            yield (
                f"depends on the class {location(cls)}, which has `__call__`. Depends({name}) makes an instance from "
                "the parameters of the connection, and does not call it. If `__call__` is the dependency, write "
                f"Depends({name}(...))"
            )


def _scopes_that_nobody_reads(declared: _Declared) -> Iterator[str]:
    # Only routes of fastroute: in an HTTP route of FastAPI, the scopes of a scheme are for its documentation.
    for dependant in declared.dependants:
        if isinstance(dependant, Dependant) and dependant.own_scopes and not _reads_scopes(dependant):
            scopes = ", ".join(repr(str(scope)) for scope in dependant.own_scopes)
            yield (
                f"asks for the scopes {scopes} in Security({location(dependant.call)}), and nothing reads them, so "
                "everybody has them. Take a parameter of type SecurityScopes there or below, and compare"
            )


def _schemes_that_refuse_nobody(declared: _Declared) -> Iterator[str]:
    # Only routes of fastroute: in an HTTP route of FastAPI, it may be there for the documentation.
    below = [
        each for dependant in declared.dependants if isinstance(dependant, Dependant) for each in dependant.dependencies
    ]
    taken = {id(each.call) for each in below if each.name is not None}
    for each in below:
        is_optional = _fastapi.is_security_scheme(each.call) and not getattr(each.call, "auto_error", True)
        if is_optional and id(each.call) not in taken:
            name = type(each.call).__name__
            yield (
                f"has Depends({name}(auto_error=False)) in dependencies=, whose result is dropped, so it refuses "
                "nobody. Leave auto_error=False out, or take the result in a dependency that refuses"
            )


def _reads_scopes(dependant: Dependant) -> bool:
    waiting, seen = [dependant], set()
    while waiting:
        each = waiting.pop()
        if each.security_scopes_param_name is not None:
            return True
        if id(each.dependencies) not in seen:
            seen.add(id(each.dependencies))
            waiting += each.dependencies
    return False


# --- names -------------------------------------------------------------------------------------------------------


def _queries_named_like_path_parameters(declared: _Declared) -> Iterator[str]:
    for field in declared.fields:
        # An alias that is like a parameter of the route's own path was chosen with that path in sight.
        own = field.key in declared.parameters and field.name == field.key
        if field.place == "query" and (own or field.key in declared.outer):
            yield (
                f"reads {field.key!r} from the query string ({field.owner}), while the path or host has "
                f"{{{field.key}}}: a client can send another ?{field.key}=. Write Annotated[..., Path()], or rename one"
            )


def _paths_that_no_template_has(declared: _Declared) -> Iterator[str]:
    known = {**declared.outer, **declared.parameters}
    for field in declared.fields:
        if field.place == "path" and field.key not in known:
            yield (
                f"reads {field.key!r} from the path ({field.owner}), but neither its path nor a mount, host or prefix "
                f"around it has {{{field.key}}}: it is always missing. Parameters there: {', '.join(known) or 'none'}"
            )


def _parameters_that_nobody_reads(declared: _Declared) -> Iterator[str]:
    if any(_reads_the_scope(dependant.call) for dependant in declared.dependants):
        return
    read = {field.key for field in declared.fields if field.place == "path"}
    wanted = [field for field in declared.fields if field.place == "query" and field.required]
    for name in declared.parameters.keys() - read:
        for field in wanted:
            if _is_nearly(name, field.key, declared.entry.path):
                yield (
                    f"nobody reads {{{name}}} of its path, and {field.key!r} ({field.owner}) is required in the "
                    "query string. Give both the same name"
                )


def _reads_the_scope(call: Any) -> bool:
    """Whether the code of a callable names the path parameters or the scope, so that it may read any of them."""
    return any(not {"path_params", "scope"}.isdisjoint(_names_in(code)) for code in _codes(call))


def _codes(call: Any) -> Iterator[CodeType]:
    """The code of a callable, and of each function that it wraps."""
    while call is not None:
        method = getattr(call, "__init__" if inspect.isclass(call) else "__call__", None)
        code = getattr(call, "__code__", None) or getattr(method, "__code__", None)
        if code is not None:
            yield code
        call = getattr(call, "__wrapped__", None) or getattr(call, "func", None)


def _names_in(code: CodeType) -> set[str]:
    inner = [_names_in(constant) for constant in code.co_consts if inspect.iscode(constant)]
    return set(code.co_names).union(*inner)


def _is_nearly(name: str, key: str, path: str) -> bool:
    """Whether a parameter of a path and a key are the same name, but for case, separators, a typing error or "id"."""
    of_path, of_query = _words(name), _words(key)
    if "".join(of_path) == "".join(of_query):
        return True
    shorter, longer = sorted((of_path, of_query), key=len)
    if longer == [*shorter, "id"]:
        return True
    # {id} below /rooms is a room_id, and no user_id.
    if of_path == ["id"] and of_query[1:] == ["id"]:
        return of_query[0] in path.lower()
    differences = [pair for pair in zip(of_path, of_query, strict=False) if pair[0] != pair[1]]
    return len(shorter) == len(longer) and len(differences) == 1 and _is_mistyped(*differences[0])


def _is_mistyped(word: str, other: str) -> bool:
    return min(len(word), len(other)) >= 4 and SequenceMatcher(None, word, other).ratio() >= 0.8


def _words(name: str) -> list[str]:
    return re.findall("[a-z0-9]+", re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name).lower())


def _braces_that_are_text(declared: _Declared) -> Iterator[str]:
    text = PARAM_REGEX.sub("/", declared.entry.path)
    found = re.findall(r"\{[^{}/]*\}?|\}", text)
    if found:
        yield (
            f"{', '.join(map(repr, found))} in its path is text and no parameter. A parameter is written {{name}} or "
            "{name:convertor}; its name has letters, digits and `_`"
        )


# --- types -------------------------------------------------------------------------------------------------------

#: Values that Starlette's own convertors give. A type that takes none of them is never given one.
_VALUES: dict[str, tuple[type[Any], list[Any]]] = {
    "str": (str, ["x", "1", "0.5", "true", "2000-01-01"]),
    "path": (str, ["", "x", "1", "0.5", "true", "2000-01-01"]),
    "int": (int, [0, 1, 7, 86_400, 2**40]),
    "float": (float, [0.0, 1.0, 0.5, 86_400.0]),
    "uuid": (UUID, [UUID(int=0), UUID("6ba7b810-9dad-41d1-80b4-00c04fd430c8")]),
}
_WRONG_TYPES = {"literal_error", "enum", "is_instance_of", "none_required"}


def _types_that_never_fit(declared: _Declared) -> Iterator[str]:
    convertors = {**declared.outer, **declared.parameters}
    for field in declared.fields:
        kind = kind_of(convertors[field.key]) if field.place == "path" and field.key in convertors else None
        if kind is None or field.adapter is None:
            continue
        cls, values = _VALUES[kind]
        allowed = list(_allowed(field.adapter.core_schema))
        if None in allowed or any(_may_fit(field.adapter, value) for value in [*values, *_as(cls, allowed)]):
            continue
        yield (
            f"{{{field.key}:{kind}}} gives a value of type {cls.__name__}, which {field.owner} never takes: it is "
            "always refused. Change its annotation or the convertor"
        )


def _may_fit(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        adapter.validate_python(value)
    except ValidationError as error:
        kinds = [problem["type"] for problem in error.errors(include_url=False, include_context=False)]
        return not all(kind.endswith("_type") or kind in _WRONG_TYPES for kind in kinds)
    except Exception:  # a validator of the user, about which nothing is known
        return True
    return True


def _allowed(schema: Any) -> Iterator[Any]:
    """The values of each literal and enum in a schema; None for an enum that takes others as well."""
    if isinstance(schema, dict):
        if schema.get("type") == "literal":
            yield from schema["expected"]
        if schema.get("type") == "enum":
            yield from (member.value for member in schema["members"])
            if schema["cls"]._missing_.__func__ is not Enum._missing_.__func__:  # type: ignore[attr-defined]  # a method
                yield None
        schema = list(schema.values())
    if isinstance(schema, list | tuple):
        for inner in schema:
            yield from _allowed(inner)


def _as(cls: type[Any], allowed: Sequence[Any]) -> Iterator[Any]:
    """Those values that a convertor can give, in its type."""
    for value in allowed:
        if isinstance(value, Enum):
            value = value.value
        if isinstance(value, cls) and not isinstance(value, bool):
            yield value
        elif cls is str or (cls is float and isinstance(value, int)):
            yield cls(value)


def _without_websocket(declared: _Declared) -> Iterator[str]:
    dependants = declared.dependants
    if declared.entry.kind != "websocket" or declared.entry.wrapped or not dependants:
        return
    names = ("websocket_param_name", "http_connection_param_name")
    taken = any(getattr(dependant, name, None) is not None for dependant in dependants for name in names) or any(
        isinstance(injection.make, MessageTypes)
        for dependant in dependants
        for injection in getattr(dependant, "injected", {}).values()
    )
    if not taken and not _raises(dependants[0].call):
        yield (
            "neither the endpoint nor a dependency takes the WebSocket: nobody can accept the connection. "
            "Add a parameter to the endpoint: websocket: WebSocket"
        )


def _raises(call: Any) -> bool:
    """Whether an endpoint raises by itself: it may be there to refuse every connection."""
    return any(step.opname == "RAISE_VARARGS" for code in _codes(call) for step in dis.get_instructions(code))


def _credentials_from_any_origin(declared: _Declared) -> Iterator[str]:
    route = declared.entry.route
    if not isinstance(route, APIWebSocketRoute) or declared.entry.wrapped:
        return
    if route.policy is not None and route.policy.origins is not None:
        return
    cookies = [f"the cookie {field.key!r} ({field.owner})" for field in declared.fields if field.place == "cookie"]
    schemes = [text for dependant in declared.dependants for text in _credentials_of_scheme(dependant.call)]
    for credentials in cookies + schemes:
        yield (
            f"reads {credentials}, which a browser sends along from any page, and has no origins. Say which pages may "
            "connect: policy=ConnectionPolicy(origins=['https://app.example.org']), or origins=ANY_ORIGIN"
        )


def _credentials_of_scheme(call: Any) -> Iterator[str]:
    """The credentials that a browser sends by itself, if a security scheme reads such."""
    if isinstance(call, APIKeyCookie) or _fastapi.is_a_scheme(call, "APIKeyCookie"):
        scheme: Any = call
        name = scheme.name if hasattr(scheme, "name") else scheme.model.name
        yield f"the cookie {name!r} (APIKeyCookie)"
    if isinstance(call, HTTPBasic) or _fastapi.is_a_scheme(call, "HTTPBasic"):
        yield "HTTP basic credentials (HTTPBasic)"


_KINDS: dict[MistakeKind, Callable[[_Declared], Iterator[str]]] = {
    "markers_that_nobody_reads": _markers_that_nobody_reads,
    "class_dependency": _class_dependencies,
    "scopes_that_nobody_reads": _scopes_that_nobody_reads,
    "scheme_that_refuses_nobody": _schemes_that_refuse_nobody,
    "query_named_like_path_parameter": _queries_named_like_path_parameters,
    "path_parameter_that_no_template_has": _paths_that_no_template_has,
    "template_parameter_that_nobody_reads": _parameters_that_nobody_reads,
    "braces_that_are_text": _braces_that_are_text,
    "type_that_never_fits": _types_that_never_fit,
    "endpoint_without_websocket": _without_websocket,
    "credentials_from_any_origin": _credentials_from_any_origin,
}
