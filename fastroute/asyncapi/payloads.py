"""The messages of a route: one for each member of a union, with an example."""

import json
from typing import Any

from pydantic import TypeAdapter, ValidationError

from ..connection.messages import MessageTypes, members
from .schemas import Mode, Names, Schemas

__all__ = ["Payloads"]

#: How deep an example is made up.
_DEEPEST = 8


class Payloads:
    """The messages of one document.

    Attributes:
        components: by name.
    """

    def __init__(self, schemas: Schemas) -> None:
        self.components: dict[str, Any] = {}
        self._schemas = schemas
        self._names = Names()
        self._by_content: dict[str, str] = {}

    def received(self, types: MessageTypes) -> list[str]:
        """The names of the messages that a client sends."""
        return [self._message(member, "validation") for member in members(types.received)]

    def sent(self, types: MessageTypes) -> list[str]:
        """The names of the messages that a client gets."""
        return [self._message(member, "serialization") for member in members(types.sent)]

    def _message(self, annotation: Any, mode: Mode) -> str:
        adapter: TypeAdapter[Any] = TypeAdapter(annotation)
        payload = self._shared(self._schemas.of(adapter, mode), annotation)
        name = getattr(annotation, "__name__", None) or str(self._resolved(payload).get("title", "message"))
        message: dict[str, Any] = {"name": name, "contentType": "application/json", "payload": payload}
        description = self._resolved(payload).get("description")
        if description:
            message["summary"] = str(description).partition("\n")[0]
        examples = [{"payload": example} for example in self._examples(payload, adapter, mode)]
        if examples:
            message["examples"] = examples
        content = json.dumps(message, sort_keys=True, default=str)
        if content not in self._by_content:
            self._by_content[content] = self._names.new(name)
            self.components[self._by_content[content]] = message
        return self._by_content[content]

    def _shared(self, schema: dict[str, Any], annotation: Any) -> dict[str, Any]:
        return (
            self._schemas.shared(schema) if isinstance(annotation, type) and schema.get("type") == "object" else schema
        )

    def _resolved(self, schema: dict[str, Any]) -> dict[str, Any]:
        while "$ref" in schema:
            schema = self._schemas.components[schema["$ref"].rpartition("/")[2]]
        return schema

    def _examples(self, schema: dict[str, Any], adapter: TypeAdapter[Any], mode: Mode) -> list[Any]:
        """Those of the schema, else one that is made up; without those that are not valid."""
        given = self._resolved(schema).get("examples")
        if isinstance(given, list) and mode == "serialization":
            # What is sent may have other names and values than what pydantic reads: only its author knows.
            return given
        examples = given if isinstance(given, list) else [self._example(schema, 0)]
        return [example for example in examples if _is_valid(example, adapter)]

    def _example(self, schema: Any, depth: int) -> Any:
        if not isinstance(schema, dict) or depth > _DEEPEST:
            return None
        schema = self._resolved(schema)
        for key in ("const", "default"):
            if key in schema:
                return schema[key]
        for key in ("examples", "enum"):
            if schema.get(key):
                return schema[key][0]
        for key in ("oneOf", "anyOf", "allOf"):
            if schema.get(key):
                return self._example(schema[key][0], depth + 1)
        return self._example_of_type(schema, depth)

    def _example_of_type(self, schema: dict[str, Any], depth: int) -> Any:
        kind = schema.get("type")
        if kind == "object":
            properties = schema.get("properties", {})
            return {key: self._example(properties.get(key, {}), depth + 1) for key in schema.get("required", ())} | {
                key: value["const"] for key, value in properties.items() if isinstance(value, dict) and "const" in value
            }
        if kind == "array":
            items = schema.get("items", {})
            if isinstance(items, list):
                return [self._example(item, depth + 1) for item in items]
            return [self._example(items, depth + 1)] * max(1, schema.get("minItems", 1))
        if kind in ("integer", "number"):
            return schema.get("minimum", schema.get("exclusiveMinimum", -1) + 1)
        if kind == "string":
            return _TEXTS.get(schema.get("format", ""), "text".ljust(schema.get("minLength", 0), "x"))[
                : schema.get("maxLength")
            ]
        return {"boolean": True, "null": None}.get(str(kind))


def _is_valid(example: Any, adapter: TypeAdapter[Any]) -> bool:
    try:
        adapter.validate_json(json.dumps(example))
    except (ValidationError, TypeError, ValueError):
        return False
    return True


_TEXTS = {
    "date": "2026-01-31",
    "date-time": "2026-01-31T12:00:00Z",
    "time": "12:00:00Z",
    "duration": "PT1M",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.org/",
    "email": "ann@example.org",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "binary": "",
}
