"""One parameter -> its place, its keys and its validation. At declaration, and if overrides are planned."""

import copy
import functools
import inspect
import typing
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, is_dataclass
from typing import Annotated, Any, get_args, get_origin

from pydantic import AliasChoices, AliasPath, BaseModel, Field, Json, TypeAdapter
from pydantic.errors import PydanticSchemaGenerationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined, SchemaError
from starlette.datastructures import UploadFile

from .. import _fastapi
from ..exceptions import Problem, describe
from ..params import DependencyMarker, Place
from ..security import TOKEN
from .annotations import alternatives, flattened, is_union, rules_out, told
from .constraints import check_constraints
from .markers import (
    adopted,
    check_awaited,
    check_default,
    check_inside,
    check_sendable,
    check_type,
    marker_of,
    place_of,
    unread_by_all,
)

__all__ = [
    "Declaration",
    "ModelKey",
    "ModelReader",
    "ParamField",
    "copied",
    "declaration",
    "param_field",
]

_SEQUENCES = (list, tuple, set, frozenset, deque, Sequence)


@dataclass(slots=True)
class ModelKey:
    """The keys that may fill one field of a pydantic model.

    Attributes:
        name: the field.
        aliases: pairs of the name that the model validates and the key that a client sends, in order of preference.
        sequence: all values of the key are collected.
    """

    name: str
    aliases: list[tuple[str, str]]
    sequence: bool


@dataclass(slots=True)
class ModelReader:
    """How a pydantic model is filled from the query string, the headers or the cookies.

    Attributes:
        keys: one for each field of the model.
        optional: the annotation is `Model | None`: the model is absent if no key of it was sent.
        extras: the model allows or forbids other keys, so they count as sent for it.
        loc_by_alias: errors name the key instead of the field.
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
        place: the part of the connection that holds it.
        keys: its keys there; the first that is present wins.
        info: pydantic's view of it, with constraints and default.
        adapter: validates a value.
        required: an absent value is an error.
        default, default_factory: make the value if none was sent; the factory wins. A mutable default has one.
        validate_default: the default is validated as a value that was sent.
        sequence: all values of the key are collected.
        model: set if a pydantic model is filled from many keys.
        in_document: `fastroute.asyncapi` describes it.
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
    in_document: bool = True

    @property
    def alias(self) -> str:
        """The preferred key."""
        return self.keys[0]


def copied(fields: list[ParamField]) -> list[ParamField]:
    """The same fields for another route; they share only what nobody changes."""
    return [
        ParamField(
            field.name,
            field.place,
            field.keys,
            copy.copy(field.info),
            field.adapter,
            field.required,
            field.default,
            field.default_factory,
            field.validate_default,
            field.sequence,
            field.model,
            field.in_document,
        )
        for field in fields
    ]


@dataclass(slots=True)
class Declaration:
    """The annotation and the default of a parameter, taken apart.

    Attributes:
        type: the annotation without metadata; Any if there is none.
        metadata: the metadata of `Annotated`, then the marker if it was given as the default.
        marker: `Depends()`, `Query()`, ... or None.
        default: the plain default, or empty.
        in_annotated: the marker stands in `Annotated`.
    """

    type: Any
    metadata: tuple[Any, ...]
    marker: Any
    default: Any
    in_annotated: bool


class UnsendableProblem(Problem):
    """No client can send a value of the annotated type."""


def declaration(parameter: inspect.Parameter) -> Declaration:
    annotation, default = parameter.annotation, parameter.default
    check_type(parameter.name, annotation)
    annotation, metadata = (Any, ()) if annotation is parameter.empty else flattened(annotation)
    check_type(parameter.name, annotation)
    marker = marker_of(annotation, metadata)
    if isinstance(default, FieldInfo) or _fastapi.is_marker(default):
        if marker is not None:
            raise Problem(f"{marker!r} in Annotated and {default!r} as the default; remove one of them")
        if not _fastapi.is_marker(default):
            raise Problem("Field() does not say where to read the value; write Query(), Header(), ...")
        default = adopted(default, annotation)
        if not isinstance(default, DependencyMarker):
            metadata += (default,)
        return Declaration(annotation, metadata, default, parameter.empty, False)
    if default is not parameter.empty:
        check_default(parameter.name, annotation, default)
    return Declaration(annotation, metadata, marker, default, marker is not None)


def param_field(name: str, declared: Declaration, path_names: frozenset[str]) -> ParamField:
    marker = declared.marker
    check_sendable(name, declared.type)
    if _fastapi.is_body(marker) or (marker is None and _is_upload(declared.type)):
        raise Problem("a WebSocket has no body; " + _BODY_FIX)
    place = _place(name, declared, path_names)
    check_inside(declared.type, place)
    info = _field_info(declared)
    json = any(type(item) is Json for item in info.metadata)
    sequence = not json and _is_sequence(info.annotation)
    model = None if json else _model_of(info.annotation)
    _check_type(place, info, json)
    keys = _keys(name, place, marker, info, path_names)
    if place == "header":
        _check_header_names(keys)
    if place == "cookie":
        _check_cookie_names(keys)
    check_default(name, declared.type, info.default)
    default, default_factory = _default(info)
    return ParamField(
        name,
        place,
        keys,
        info,
        _adapter(info),
        # The default of an unmarked parameter does not count if the path has it (FastAPI).
        required=(place == "path" and marker is None) or info.is_required(),
        default=default,
        default_factory=default_factory,
        validate_default=bool(info.validate_default),
        sequence=sequence,
        model=None if model is None else _model_reader(model, info, place, marker),
        in_document=getattr(marker, "include_in_schema", True),
    )


#: A parameter of these types needs no analysis if it has no marker. A default of these types is never copied.
_PLAIN = frozenset({str, int, float, bool})
_PLAIN_DEFAULTS = _PLAIN | {type(None)}


def plain_field(parameter: inspect.Parameter, path_names: frozenset[str]) -> ParamField | None:
    """The field of a parameter of a plain type without a marker: that of `param_field`, at a tenth of its cost.

    Returns:
        None for every other parameter.
    """
    name, annotation, default = parameter.name, parameter.annotation, parameter.default
    has_default = default is not parameter.empty
    if type(annotation) is not type or annotation not in _PLAIN:
        return None
    if has_default and type(default) not in _PLAIN_DEFAULTS:
        return None
    info, adapter = _plain(annotation)
    info = copy.copy(info)
    info.default = default if has_default else PydanticUndefined
    place: Place = "path" if name in path_names else "query"
    required = place == "path" or not has_default
    return ParamField(name, place, (name,), info, adapter, required, info.default, None, False, False, None)


@functools.cache
def _plain(annotation: Any) -> tuple[FieldInfo, TypeAdapter[Any]]:
    """The `FieldInfo` of a plain type, which each field copies, and the adapter, which all of them share."""
    info = FieldInfo.from_annotation(annotation)
    return info, _adapter(info)


_BODY_FIX = (
    "read a message with websocket.receive_json(), or name another place: "
    "Annotated[..., Query()], Header() or Cookie() (also for a pydantic model)"
)


def _place(name: str, declared: Declaration, path_names: frozenset[str]) -> Place:
    if declared.marker is None:
        if name in path_names:
            return "path"
        if not _is_scalar(declared.type):
            raise UnsendableProblem(
                f"{told(declared.type)} would be read from the body, and a WebSocket has none; if a function makes "
                f"it, write Annotated[{_code_of(declared.type)}, Depends(function)]; else {_BODY_FIX}"
            )
        _check_meant(declared)
        return "query"
    place = place_of(declared.marker)
    assert place is not None
    if name in path_names and place != "path":
        raise Problem(f"the route's path has {{{name}}}; write Path() instead, or rename it")
    if name in path_names and declared.default is not inspect.Parameter.empty:
        raise Problem("a path parameter is always there; remove its default")
    return place


def _check_meant(declared: Declaration) -> None:
    """Check that a parameter without a marker has none of another package, which would give it another value."""
    foreign = [type(item) for item in declared.metadata if unread_by_all(item)]
    default, cls = declared.default, type(declared.default)
    if default is not inspect.Parameter.empty and unread_by_all(default):
        foreign += [cls] if declared.type is Any or rules_out(declared.type, cls) else []
    if foreign:
        raise UnsendableProblem(
            f"nobody reads {foreign[0].__module__}.{foreign[0].__qualname__} here, so a client would send the "
            "value in its query; write Depends(function) in its place. If a client should send it, write "
            "Annotated[..., Query()]"
        )


def _field_info(declared: Declaration) -> FieldInfo:
    """pydantic's merge of all that the annotation and the marker say."""
    annotation: Any = Annotated[declared.type, *declared.metadata] if declared.metadata else declared.type
    info = FieldInfo.from_annotation(annotation)
    if declared.marker is not None and not declared.in_annotated:
        return info
    if declared.in_annotated and info.default is not PydanticUndefined:
        raise Problem(f"a default inside Annotated is not used; write `= {info.default!r}` after the annotation")
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


def _check_header_names(names: Iterable[str]) -> None:
    for name in names:
        if not TOKEN.fullmatch(name):
            raise Problem(f"no header can have the name {name!r}; use ASCII letters, digits and '-'")


def _check_cookie_names(names: Iterable[str]) -> None:
    for name in names:
        if name != name.strip() or ";" in name or "=" in name:
            raise Problem(f"no cookie can have the name {name!r}; use letters, digits and '-'")


def _default(info: FieldInfo) -> tuple[Any, Callable[[], Any] | None]:
    if info.default_factory is not None:
        check_awaited(info)
        if _needs_arguments(info.default_factory):
            raise Problem("default_factory is called without arguments here; write one that takes no argument")
        return None, _checked(typing.cast(Callable[[], Any], info.default_factory))
    try:
        mutable = copy.deepcopy(info.default) is not info.default
    except Exception:  # a value that cannot be copied is shared
        mutable = False
    return info.default, functools.partial(copy.deepcopy, info.default) if mutable else None


def _checked(factory: Callable[[], Any]) -> Callable[[], Any]:
    """The same factory; one that makes a marker is an error, which shows only if it is called."""

    @functools.wraps(factory)
    def make() -> Any:
        made = factory()
        if _fastapi.is_marker(made):
            raise TypeError(f"default_factory {describe(factory)} makes a marker, which nobody reads: {made!r}")
        return made

    return make


def _needs_arguments(factory: Callable[..., Any]) -> bool:
    try:
        inspect.signature(factory).bind()
    except TypeError:
        return True
    except ValueError:  # a builtin without a signature, like int
        return False
    return False


def _adapter(info: FieldInfo) -> TypeAdapter[Any]:
    if any(base.__module__.startswith("pydantic.v1") for base in getattr(info.annotation, "__mro__", ())):
        raise Problem("pydantic.v1 models are not supported; derive from pydantic.BaseModel")
    metadata = list(info.metadata)
    if info.discriminator is not None:
        metadata.append(Field(discriminator=info.discriminator))
    annotation: Any = Annotated[info.annotation, *metadata] if metadata else info.annotation
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        # Built here: an incomplete schema is an error at startup and not on the first connection.
        _ = adapter.validator.validate_python
    except PydanticSchemaGenerationError as error:
        raise UnsendableProblem(
            f"a client cannot send {told(info.annotation)}, which pydantic does not know; if a function makes the "
            f"value, write Annotated[{_code_of(info.annotation)}, Depends(function)]"
        ) from error
    except Exception as error:  # pydantic has no common class for the mistakes that it finds here
        raise Problem(f"pydantic cannot validate {told(info.annotation)}: {_first_lines(error)}") from error
    sequence = _is_sequence(info.annotation) and not any(type(item) is Json for item in metadata)
    check_constraints(adapter, info.annotation, info.metadata, is_sequence=sequence)
    return adapter


def _code_of(annotation: Any) -> str:
    """The annotation as it is written; `...` if its text is no code."""
    code = told(annotation)
    return "..." if "<" in code else code


def _first_lines(error: Exception) -> str:
    """The first line of an error; of one about a pattern all lines, which together show the mistake in it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip(" ^")]
    return " ".join(lines) if isinstance(error, SchemaError) else lines[0]


# --- annotations ---


def _is_subclass(thing: Any, classes: Any) -> bool:
    return isinstance(thing, type) and issubclass(thing, classes)


def _is_sequence_class(annotation: Any) -> bool:
    cls = get_origin(annotation) or annotation
    return _is_subclass(cls, _SEQUENCES) and not issubclass(cls, (str, bytes))


def _is_sequence(annotation: Any) -> bool:
    return any(_is_sequence_class(part) for part in alternatives(annotation))


def _is_complex(annotation: Any) -> bool:
    origin = get_origin(annotation)
    return any(
        _is_subclass(cls, (BaseModel, Mapping, UploadFile)) or _is_sequence_class(cls) or is_dataclass(cls)
        for cls in (annotation, origin)
    ) or any(hasattr(origin, hook) for hook in ("__pydantic_core_schema__", "__get_pydantic_core_schema__"))


def _is_scalar(annotation: Any) -> bool:
    return not any(_is_complex(part) for part in alternatives(annotation))


def _is_scalar_sequence(annotation: Any) -> bool:
    found = False
    for part in alternatives(annotation):
        if _is_sequence_class(part) and all(map(_is_scalar, get_args(part))):
            found = True
        elif _is_complex(part):
            return False
    return found


def _is_upload(annotation: Any) -> bool:
    return any(_is_subclass(part, UploadFile) for part in alternatives(annotation))


def _model_of(annotation: Any) -> type[BaseModel] | None:
    """The model of `Model` and `Model | None`."""
    parts = get_args(annotation) if is_union(annotation) else (annotation,)
    models = [part for part in parts if part is not type(None)]
    if len(models) == 1 and _is_subclass(models[0], BaseModel):
        model: type[BaseModel] = models[0]
        return model
    return None


def _check_type(place: Place, info: FieldInfo, json: bool) -> None:
    annotation = info.annotation
    if json or _is_scalar(annotation):
        return
    if place == "path":
        raise Problem(f"a path parameter is one value, {annotation!r} is not")
    if place == "query" and not _is_scalar_sequence(annotation) and _model_of(annotation) is None:
        raise Problem(f"the query string cannot fill {annotation!r}; use a scalar, a list of scalars or one model")
    if place == "cookie" and _is_sequence(annotation):
        raise Problem(f"a cookie is one value, {annotation!r} is not; take a str and split it, or use Json[...]")


# --- models ---


def _model_reader(model: type[BaseModel], info: FieldInfo, place: Place, marker: Any) -> ModelReader:
    convert = place == "header" and getattr(marker, "convert_underscores", False)
    markers = _header_markers(model) if place == "header" else {}
    keys = []
    for name, field_info in model.model_fields.items():
        field_marker = markers.get(name, field_info)
        converts = getattr(field_marker, "convert_underscores", convert)
        json = any(type(item) is Json for item in field_info.metadata)
        sequence = not json and _is_sequence(field_info.annotation)
        aliases = _model_aliases(model, name, field_info, converts)
        if place == "header":
            _check_header_names(request_key for _, request_key in aliases)
        if place == "cookie":
            _check_cookie_names(request_key for _, request_key in aliases)
        keys.append(ModelKey(name, aliases, sequence))
    config = model.model_config
    return ModelReader(
        keys,
        optional=info.annotation is not model,
        extras=config.get("extra") in ("allow", "forbid"),
        loc_by_alias=bool(config.get("loc_by_alias", True)),
    )


def _header_markers(model: type[BaseModel]) -> dict[str, Any]:
    """`Header()` in the `Annotated` of each field: pydantic drops `convert_underscores` from it."""
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
    config = model.model_config
    by_alias = config.get("validate_by_alias") is not False
    by_name = config.get("validate_by_name", config.get("populate_by_name", False))
    if not by_alias:
        return [(name, request_name)]
    if by_name and name not in [validated for validated, _ in aliases]:
        aliases.append((name, request_name))
    return aliases
