"""What a client reads in a document: whether a handshake will be accepted. It knows the document, and not fastroute.

A text is read as the type of the schema it meets; a value that was not sent is missing, never null.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from asyncapi_applications import Handshake
from jsonschema import Draft7Validator, FormatChecker

__all__ = ["accepts"]

_TRUE, _FALSE = {"1", "true", "t", "yes", "y", "on"}, {"0", "false", "f", "no", "n", "off"}


class _Reader:
    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = document

    def resolved(self, thing: Any) -> Any:
        while "$ref" in thing:
            target: Any = self.document
            for part in thing["$ref"].removeprefix("#/").split("/"):
                target = target[part]
            thing = target
        return thing

    def values(self, text: str) -> Iterator[Any]:
        """A text as all types that it can be read as."""
        yield text
        if re.fullmatch(r"[+-]?\d+", text):
            yield int(text)
        if re.fullmatch(r"[+-]?\d+(\.\d+)?", text):
            yield float(text)
        if text.lower() in _TRUE | _FALSE:
            yield text.lower() in _TRUE

    def holds(self, schema: Any, value: Any) -> bool:
        """Whether a text, a list of texts, or an object of these is as a schema says."""
        schema = dict(self.resolved(schema))
        if not all(self.holds(each, value) for each in schema.pop("allOf", [])):
            return False
        if "anyOf" in schema and not any(self.holds(each, value) for each in schema.pop("anyOf")):
            return False
        if "not" in schema and self.holds(schema.pop("not"), value):
            return False
        if "if" in schema:
            branch = "then" if self.holds(schema.pop("if"), value) else "else"
            if not self.holds(schema.get(branch, {}), value):
                return False
            schema = {key: each for key, each in schema.items() if key not in ("then", "else")}
        if isinstance(value, Mapping):
            return self._object_holds(schema, value)
        if isinstance(value, list):
            return self._list_holds(schema, value)
        schema.pop("default", None)
        return any(
            Draft7Validator(schema, format_checker=FormatChecker()).is_valid(each) for each in self.values(value)
        )

    def _object_holds(self, schema: Mapping[str, Any], value: Mapping[str, Any]) -> bool:
        if any(key not in value for key in schema.get("required", ())):
            return False
        properties = schema.get("properties", {})
        if schema.get("additionalProperties") is False and any(key not in properties for key in value):
            return False
        return all(self._property_holds(each, value[key]) for key, each in properties.items() if key in value)

    def _property_holds(self, schema: Any, texts: list[str]) -> bool:
        """A key may come several times: a list takes all of them, everything else the one that counts."""
        schema = self.resolved(schema)
        if "allOf" in schema:
            rest = {key: each for key, each in schema.items() if key != "allOf"}
            return all(self._property_holds(each, texts) for each in [*schema["allOf"], rest])
        if "anyOf" in schema:
            rest = {key: each for key, each in schema.items() if key != "anyOf"}
            return any(self._property_holds(each, texts) for each in schema["anyOf"]) and self._property_holds(
                rest, texts
            )
        return self.holds(schema, texts if schema.get("type") == "array" else texts[self.counts])

    counts = -1  # of a query the last value

    def _list_holds(self, schema: Mapping[str, Any], texts: list[str]) -> bool:
        if not schema.get("minItems", 0) <= len(texts) <= schema.get("maxItems", len(texts)):
            return False
        return all(self.holds(schema.get("items", {}), text) for text in texts)


def _lists(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for key, text in pairs:
        found.setdefault(key, []).append(text)
    return found


def accepts(document: Mapping[str, Any], name: str, handshake: Handshake) -> bool:
    """Whether a channel takes a handshake."""
    reader, channel = _Reader(document), document["channels"][name]
    binding = channel["bindings"]["ws"]
    for key, parameter in channel.get("parameters", {}).items():
        if not reader.holds(parameter["x-schema"], handshake.path[key]):
            return False
    headers = _lists([(key.lower(), text) for key, text in handshake.headers])
    headers |= {"sec-websocket-protocol": [", ".join(handshake.subprotocols)]} if handshake.subprotocols else {}
    cookies = {key: [text] for key, text in handshake.cookies.items()}
    if handshake.cookies:
        headers["cookie"] = ["; ".join(map("=".join, handshake.cookies.items()))]
    for name_of_handshake in ("host", "connection", "upgrade", "sec-websocket-key", "sec-websocket-version"):
        headers[name_of_handshake] = ["x"]
    query = _lists(handshake.query)
    if not reader.holds(binding.get("query", {}), query) or not reader.holds(binding.get("x-cookies", {}), cookies):
        return False
    reader.counts = 0  # of a header the first value
    if not reader.holds(_folded(binding.get("headers", {})), headers):
        return False
    schemes = [reader.resolved(each) for each in document["operations"][f"{name}.receive"].get("security", ())]
    return all("x-optional" in scheme or _has(scheme, query, headers, cookies) for scheme in schemes)


def _folded(schema: Any) -> Any:
    """A schema of headers with the names in lower case."""
    if isinstance(schema, list):
        return [_folded(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    folded = {key: _folded(each) for key, each in schema.items() if key != "properties"}
    if "properties" in schema:
        folded["properties"] = {key.lower(): each for key, each in schema["properties"].items()}
    if "required" in schema:
        folded["required"] = [key.lower() for key in schema["required"]]
    return folded


def _has(scheme: Any, query: Any, headers: Any, cookies: Any) -> bool:
    kind, authorization = scheme["type"], headers.get("authorization", [""])[0]
    if kind == "httpApiKey" and "x-subprotocol" in scheme:
        offers = headers.get("sec-websocket-protocol", [""])[0].split(", ")
        return f"{scheme['x-subprotocol']}.YW5u" in offers
    if kind == "httpApiKey":
        place = {"query": query, "header": headers, "cookie": cookies}[scheme["in"]]
        key = scheme["name"].lower() if scheme["in"] == "header" else scheme["name"]
        return bool(place.get(key, [""])[-1 if scheme["in"] == "query" else 0])
    if kind == "openIdConnect":
        return bool(authorization)
    expected = "bearer" if kind == "oauth2" else scheme["scheme"]
    return bool(authorization.lower().startswith(f"{expected} "))
