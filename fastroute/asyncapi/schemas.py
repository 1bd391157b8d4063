"""The JSON Schema of types, as AsyncAPI has it (draft 7), and the names of those that are shared."""

import json
import re
from collections.abc import Iterable, Iterator
from math import isfinite
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

__all__ = ["Names", "Schemas", "all_of", "is_json"]

Mode = Literal["validation", "serialization"]

_LOCAL = "#/$defs/"
_SHARED = "#/components/schemas/"

_ONE = {"items", "additionalProperties", "not", "contains", "propertyNames", "contentSchema", "unevaluatedProperties"}
_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_BOUNDS = {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
_MAPPINGS = {"properties", "patternProperties", "dependentSchemas"}

#: What a key in the components of a document may not hold.
_UNNAMEABLE = re.compile(r"[^A-Za-z0-9._-]+")


class Names:
    """Gives each thing a name of its own: the first one gets the name it has, later ones a number. So the names of a
    document stay when something is appended.
    """

    def __init__(self) -> None:
        self._taken: set[str] = set()

    def new(self, wanted: str) -> str:
        """A name that no other thing has."""
        stem = _UNNAMEABLE.sub("_", wanted).strip("_") or "unnamed"
        name, number = stem, 1
        while name in self._taken:
            number += 1
            name = f"{stem}_{number}"
        self._taken.add(name)
        return name


class _Generator(GenerateJsonSchema):
    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}  # noqa: RUF012  # as its base has it

    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> dict[str, Any]:
        return {}  # anything: JSON Schema cannot say it


class Schemas:
    """The schemas of one document.

    Attributes:
        components: the shared ones, by name.
    """

    def __init__(self) -> None:
        self.components: dict[str, Any] = {}
        self._names = Names()
        self._by_content: dict[str, str] = {}
        self._plain: dict[tuple[str, Mode], dict[str, Any]] = {}

    def of(self, adapter: TypeAdapter[Any], mode: Mode = "validation") -> dict[str, Any]:
        """The schema of a type. The classes in it are shared, and referred to."""
        # Most parameters are of a few types; a class is looked at each time, as two may have one name.
        core = repr(adapter.core_schema)
        if "<" in core:
            return self._adopted(adapter.json_schema(mode=mode, schema_generator=_Generator))
        schema = self._plain.get((core, mode))
        if schema is None:
            schema = self._adopted(adapter.json_schema(mode=mode, schema_generator=_Generator))
            self._plain[core, mode] = schema
        return dict(schema)

    def shared(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A reference to a schema, which is moved to the components."""
        content = json.dumps(schema, default=str)
        if content not in self._by_content:
            name = self._by_content[content] = self._names.new(str(schema.get("title", "schema")))
            self.components[name] = schema
        return {"$ref": _SHARED + self._by_content[content]}

    def of_fields(self, model: type[Any]) -> tuple[dict[str, Any], list[str]]:
        """The schemas of a model's fields, by their own names, and the names of those that are required."""
        schema = TypeAdapter(model).json_schema(by_alias=False, schema_generator=_Generator)
        definitions = schema.get("$defs", {})
        if "$ref" in schema:  # it refers to itself
            schema = {**definitions[schema["$ref"].removeprefix(_LOCAL)], "$defs": definitions}
        adopted = self._adopted(schema)
        return adopted.get("properties", {}), adopted.get("required", [])

    def _adopted(self, schema: dict[str, Any]) -> dict[str, Any]:
        """A schema of pydantic with its definitions moved to the components."""
        definitions = schema.get("$defs", {})
        names = {}
        new = []
        for local, definition in definitions.items():
            reachable = {local, *_reachable(definition, definitions)}
            content = json.dumps([local, {each: definitions[each] for each in sorted(reachable)}], default=str)
            if content not in self._by_content:
                self._by_content[content] = self._names.new(str(definition.get("title", local)))
                new.append(local)
            names[local] = self._by_content[content]
        for local in new:
            self.components[names[local]] = _draft_7(definitions[local], names)
        adopted: dict[str, Any] = _draft_7(schema, names)
        return adopted


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        reference = schema.get("$ref")
        if isinstance(reference, str) and reference.startswith(_LOCAL):
            yield reference.removeprefix(_LOCAL)
        for value in schema.values():
            yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)


def _reachable(schema: Any, definitions: dict[str, Any]) -> set[str]:
    found: set[str] = set()
    waiting = list(_references(schema))
    while waiting:
        name = waiting.pop()
        if name in definitions and name not in found:
            found.add(name)
            waiting += _references(definitions[name])
    return found


def is_json(value: Any) -> bool:
    """Whether JSON can hold a value: it knows no infinity, and nothing that is not a number."""
    if isinstance(value, float):
        return isfinite(value)
    if isinstance(value, dict):
        return all(map(is_json, value.values()))
    return all(map(is_json, value)) if isinstance(value, list) else True


def _draft_7(schema: Any, names: dict[str, str]) -> Any:
    """A schema of draft 2020-12 in draft 7, referring to the components."""
    if not isinstance(schema, dict):
        return schema
    result: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "$defs":
            continue
        if key == "$ref":
            result[key] = _SHARED + names[value.removeprefix(_LOCAL)]
        elif key == "discriminator":
            result[key] = value["propertyName"]
        elif key == "prefixItems":
            result["items"] = [_draft_7(item, names) for item in value]
            if "items" in schema:
                result["additionalItems"] = _draft_7(schema["items"], names)
        elif key == "items" and "prefixItems" in schema:
            continue
        elif key in _ONE:
            result[key] = _draft_7(value, names)
        elif key in _LISTS:
            result[key] = [_draft_7(item, names) for item in value]
        elif key in _MAPPINGS:
            result[key] = {name: _draft_7(item, names) for name, item in value.items()}
        elif key in _BOUNDS and isinstance(value, float) and value.is_integer():
            result[key] = int(value)  # the same number, and alike with every pydantic
        elif is_json(value):
            result[key] = value
    if "$ref" in result and len(result) > 1:  # draft 7 reads nothing beside a reference
        reference = {"$ref": result.pop("$ref")}
        result = {"allOf": [reference], **result}
    return result


def all_of(schemas: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The schema that holds if all of them hold."""
    distinct: list[dict[str, Any]] = []
    for schema in schemas:
        if schema not in distinct:
            distinct.append(schema)
    return distinct[0] if len(distinct) == 1 else {"allOf": distinct}
