"""The path, query, headers and cookies that a route reads, as JSON Schema.

A client sends every value as text. A value that was not sent is missing, never null.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic_core import PydanticSerializationError, to_jsonable_python
from starlette.convertors import Convertor, FloatConvertor, IntegerConvertor, PathConvertor, UUIDConvertor

from ..dependencies.annotations import alternatives
from ..dependencies.dependant import Dependant
from ..dependencies.fields import ParamField
from .schemas import Schemas, all_of, is_json

__all__ = ["dependants", "object_schema", "parameters"]

Schema = dict[str, Any]

#: What the convertor of a path says; the class itself, as one that is derived from it may read anything.
_CONVERTORS: dict[type[Any], Schema] = {
    IntegerConvertor: {"type": "integer", "minimum": 0},
    FloatConvertor: {"type": "number", "minimum": 0},
    UUIDConvertor: {"type": "string", "format": "uuid"},
}


def dependants(root: Dependant) -> Iterator[Dependant]:
    """All nodes of a tree, dependencies first; a shared one once."""
    seen: set[int] = set()
    waiting = [(root, iter(root.dependencies))]
    while waiting:
        node, below = waiting[-1]
        dependency = next(below, None)
        if dependency is None:
            waiting.pop()
            yield node
        elif id(dependency) not in seen:
            seen.add(id(dependency))
            waiting.append((dependency, iter(dependency.dependencies)))


def parameters(
    convertors: Mapping[str, Convertor[Any]], fields: Iterable[ParamField], schemas: Schemas
) -> dict[str, Schema]:
    """The parameters of a path; the schema of each is its `x-schema`, as AsyncAPI has no place for it."""
    read: dict[str, list[ParamField]] = {name: [] for name in convertors}
    for field in fields:
        if field.alias in read:
            read[field.alias].append(field)
    found = {}
    for name, convertor in convertors.items():
        own = _CONVERTORS.get(type(convertor))
        known = [_field_schema(field, schemas) for field in read[name]]
        if own is not None:
            alike = (
                bool(known) and known[0].get("type") == own["type"] and not known[0].keys() & (own.keys() - {"type"})
            )
            known = [{**own, **known[0]}, *known[1:]] if alike else [*known, own]
        schema = all_of(known) if known else {"type": "string"}
        described = [text for field in read[name] if (text := field.info.description)]
        kind = " or ".join(_types(schema)) or "text"
        if isinstance(convertor, PathConvertor):
            kind += ", may hold slashes"
        found[name] = {"description": "; ".join([*described, kind]), "x-schema": schema}
    return found


def _types(schema: Schema) -> list[str]:
    if isinstance(schema.get("type"), str):
        return [str(schema["type"])]
    parts = [kind for key in ("anyOf", "allOf") for part in schema.get(key, ()) for kind in _types(part)]
    return list(dict.fromkeys(parts))


def object_schema(fields: Sequence[ParamField], schemas: Schemas, *, fold: bool = False) -> Schema:
    """The schema of all that is read from the query, the headers or the cookies.

    Args:
        fields: that are read from this place.
        schemas: those of the document.
        fold: the case of names does not matter.
    """
    place = _Place(fold)
    for field in fields:
        if field.model is not None:
            _add_model(place, field, schemas)
        else:
            place.add(field.keys, _field_schema(field, schemas), field.required)
    return place.schema()


class _Place:
    """The object that is made of all keys of one place."""

    def __init__(self, fold: bool) -> None:
        self._fold = fold
        self._spellings: dict[str, str] = {}
        self._properties: dict[str, list[Schema]] = {}
        self._required: list[str] = []
        self.constraints: list[Schema] = []

    def key(self, key: str) -> str:
        """The key as it was first written."""
        return self._spellings.setdefault(key.lower() if self._fold else key, key)

    def add(self, keys: Sequence[str], schema: Schema, required: bool) -> None:
        """A value that is read from the first of some keys that is there."""
        keys = [self.key(key) for key in keys]
        for key in keys:
            self._properties.setdefault(key, []).append(schema if len(keys) == 1 else {})
        if len(keys) == 1:
            self._required += keys if required else []
        else:
            self.constraints.append(_first_of(keys, schema, required))

    def schema(self) -> Schema:
        properties = {
            key: all_of([schema for schema in found if schema] or [{}]) for key, found in self._properties.items()
        }
        schema: Schema = {"type": "object", "properties": properties}
        if self._required:
            schema["required"] = list(dict.fromkeys(self._required))
        if self.constraints:
            schema["allOf"] = self.constraints
        return schema


def _first_of(keys: Sequence[str], schema: Schema, required: bool) -> Schema:
    """The schema of an object whose first key of these is as `schema` says."""
    first, *others = keys
    absent: Schema = _first_of(others, schema, required) if others else {"required": [first]} if required else {}
    return {"if": {"required": [first]}, "then": {"properties": {first: schema}}, "else": absent}


def _add_model(place: _Place, field: ParamField, schemas: Schemas) -> None:
    reader = field.model
    assert reader is not None
    [model] = [part for part in alternatives(field.info.annotation) if part is not type(None)]
    properties, required = schemas.of_fields(model)
    keys = {key.name: [place.key(sent) for _, sent in key.aliases] for key in reader.keys}
    may_be_absent = reader.optional and not field.required
    for name, aliases in keys.items():
        place.add(aliases, properties.get(name, {}), name in required and not reader.optional)
    sent = {"anyOf": [{"required": [key]} for aliases in keys.values() for key in aliases]}
    demanded = [{"anyOf": [{"required": [key]} for key in keys[name]]} for name in required if name in keys]
    if reader.optional and sent["anyOf"]:
        place.constraints += [{"anyOf": [{"not": sent}, *([{"allOf": demanded}] if demanded else [{}])]}]
        place.constraints += [] if may_be_absent else [sent]
    if model.model_config.get("extra") == "forbid":
        allowed: Schema = {key: {} for aliases in keys.values() for key in aliases}
        place.constraints.append({"properties": allowed, "additionalProperties": False})


def _field_schema(field: ParamField, schemas: Schemas) -> Schema:
    """The schema of one parameter, with all that its declaration says for people."""
    schema = schemas.of(field.adapter)
    info = field.info
    said: Schema = {}
    if info.title:
        said["title"] = info.title
    if info.description:
        said["description"] = info.description
    if info.examples:
        said["examples"] = info.examples
    if info.deprecated:
        said["deprecated"] = True
    if isinstance(info.json_schema_extra, dict):
        said |= info.json_schema_extra
    if not field.required and field.info.default_factory is None and field.default is not None:
        said["default"] = field.default
    try:
        said = to_jsonable_python(said)
    except PydanticSerializationError:  # a default that JSON cannot hold
        said = to_jsonable_python({key: value for key, value in said.items() if key != "default"}, fallback=str)
    said = {key: value for key, value in said.items() if is_json(value)}
    return {"allOf": [schema], **said} if said and "$ref" in schema else {**schema, **said}
