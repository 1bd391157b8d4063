"""A document as one page of HTML: readable without script, with nothing from elsewhere."""

import json
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from html import escape
from typing import Any

__all__ = ["POLICY", "page"]

_STYLE = """
:root{color-scheme:light dark;--text:#1b1f24;--quiet:#57606a;--line:#d0d7de;--back:#fff;--box:#f6f8fa;--mark:#0550ae}
@media(prefers-color-scheme:dark){:root{--text:#e6edf3;--quiet:#9198a1;--line:#3d444d;--back:#0d1117;--box:#151b23;
--mark:#79c0ff}}
*{box-sizing:border-box}body{margin:0 auto;max-width:62rem;padding:1rem;font:1rem/1.5 system-ui,sans-serif;
color:var(--text);background:var(--back)}
h1,h2,h3{line-height:1.2}h2{margin-top:2.5rem;border-top:1px solid var(--line);padding-top:1.5rem}
h2 code{font-size:1.1rem;color:var(--mark)}h3{margin:1.25rem 0 .25rem;font-size:1rem}
p{margin:.5rem 0}.quiet{color:var(--quiet)}.text{white-space:pre-line}
code,pre,textarea,input{font:.875rem/1.45 ui-monospace,monospace}
pre{margin:.25rem 0;padding:.75rem;overflow:auto;background:var(--box);border:1px solid var(--line);border-radius:6px}
table{border-collapse:collapse;width:100%}
th,td{padding:.35rem .75rem .35rem 0;border-bottom:1px solid var(--line);text-align:left;vertical-align:top;
width:40%;overflow-wrap:anywhere}td:first-child,th:first-child{width:20%}
nav ul{padding:0;list-style:none;columns:20rem}a{color:var(--mark)}
form{margin:1rem 0;padding:.75rem;background:var(--box);border:1px solid var(--line);border-radius:6px}
label{display:block;margin:.25rem 0}input,textarea{width:100%;padding:.3rem;color:inherit;background:var(--back);
border:1px solid var(--line);border-radius:4px}button{margin:.5rem .5rem 0 0;padding:.3rem .9rem;font:inherit}
ol.log{max-height:20rem;overflow:auto;padding-left:2.5rem}ol.log li{white-space:pre-wrap;word-break:break-word}
@media print{form,nav{display:none}body{max-width:none}h2{break-after:avoid}pre{white-space:pre-wrap}}
"""

_SCRIPT = """
for (const form of document.querySelectorAll("form.try")) {
  const log = form.querySelector(".log"), [open, send, close] = form.querySelectorAll("button");
  let socket;
  function say(text) {
    const line = document.createElement("li");
    line.textContent = text;
    log.append(line);
    log.scrollTop = log.scrollHeight;
  }
  function state(isOpen) { open.disabled = isOpen; send.disabled = close.disabled = !isOpen; }
  form.hidden = false;
  form.elements.server.value ||= location.origin.replace(/^http/, "ws");
  form.onsubmit = (event) => {
    event.preventDefault();
    let address = form.dataset.address;
    const query = new URLSearchParams();
    for (const input of form.querySelectorAll("[data-in]")) {
      if (input.dataset.in === "path") {
        const value = encodeURIComponent(input.value).replaceAll("%2F", "/");
        address = address.replace(`{${input.dataset.name}}`, () => value);
      } else if (input.value !== "") {
        for (const value of input.dataset.many ? input.value.split(",") : [input.value])
          query.append(input.dataset.name, value);
      }
    }
    const offers = form.elements.subprotocols.value.split(",").map((offer) => offer.trim()).filter(Boolean);
    const search = query.size ? "?" + query : "";
    try {
      socket = new WebSocket(form.elements.server.value.replace(/[/]$/, "") + address + search, offers);
    } catch (error) { say(error.message); return; }
    socket.binaryType = "arraybuffer";
    state(true);
    send.disabled = true;
    let opened = false;
    socket.onopen = () => {
      opened = true;
      send.disabled = false;
      say("open" + (socket.protocol && `, subprotocol ${socket.protocol}`));
    };
    socket.onmessage = ({data}) => say("← " + (typeof data === "string" ? data : new TextDecoder().decode(data)));
    socket.onclose = ({code, reason}) => {
      state(false);
      say(opened ? `closed (${code}) ${reason}` : "not accepted; a browser is not told why, fastroute match says it");
    };
  };
  send.onclick = () => { socket.send(form.elements.message.value); say("→ " + form.elements.message.value); };
  close.onclick = () => socket.close();
}
"""


def _hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


#: The Content-Security-Policy of the page: its own style and script, and sockets.
POLICY = (
    f"default-src 'none'; style-src {_hash(_STYLE)}; script-src {_hash(_SCRIPT)}; connect-src ws: wss:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


def page(document: Mapping[str, Any], json_url: str) -> str:
    """The page of a document.

    Args:
        document: from `document()`.
        json_url: the address of the document itself, for a link.
    """
    return "".join(_lines(document, json_url))


def _lines(document: Mapping[str, Any], json_url: str) -> Iterator[str]:
    info, channels = document["info"], document["channels"]
    title = escape(info["title"])
    yield '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{title}</title>\n<style>{_STYLE}</style>\n<header>\n<h1>{title}</h1>\n"
    yield f'<p class="quiet">Version {escape(info["version"])}, AsyncAPI {escape(document["asyncapi"])}. '
    yield f'<a href="{escape(json_url)}">The document as JSON</a></p>\n'
    yield _text(info.get("description"))
    yield "</header>\n<nav><ul>\n"
    for name, channel in channels.items():
        yield f'<li><a href="#{escape(name)}"><code>{escape(channel["address"])}</code></a></li>\n'
    yield "</ul></nav>\n<main>\n"
    for name, channel in channels.items():
        yield from _channel(document, name, channel)
    yield f"</main>\n<script>{_SCRIPT}</script>\n</html>\n"


def _channel(document: Mapping[str, Any], name: str, channel: Mapping[str, Any]) -> Iterator[str]:
    binding = channel.get("bindings", {}).get("ws", {})
    address = escape(channel["address"])
    yield f'<section id="{escape(name)}">\n<h2><code>{address}</code></h2>\n<p class="quiet">{escape(channel["title"])}'
    yield f", on the host {escape(channel['x-host'])}" if "x-host" in channel else ""
    yield "</p>\n" + _text(channel.get("description"))
    path = {key: each["x-schema"] for key, each in _items(channel, "parameters")}
    places = {"Path": {"properties": path, "required": list(path)}}
    places |= {"Query": binding.get("query"), "Headers": binding.get("headers"), "Cookies": binding.get("x-cookies")}
    for title, schema in places.items():
        if schema and schema.get("properties"):
            yield f"<h3>{title}</h3>\n" + _table(("name", "type", ""), _parameters(schema))
    yield from _security(document, name)
    for title, action in (("The client sends", "receive"), ("The client gets", "send")):
        operation = document["operations"].get(f"{name}.{action}", {})
        messages = [_resolved(document, each) for each in operation.get("messages", ())]
        if messages:
            yield f"<h3>{title}</h3>\n"
            for message in messages:
                yield from _message(document, message)
    responses = [
        (code, each["description"], _told(each.get("headers"))) for code, each in _items(channel, "x-responses")
    ]
    if responses:
        yield "<h3>Refusals and close codes</h3>\n" + _table(("code", "", "headers"), responses)
    yield from _try(document, name, channel, path, binding.get("query") or {})
    yield "</section>\n"


def _items(mapping: Mapping[str, Any], key: str) -> Iterable[tuple[str, Any]]:
    found: Mapping[str, Any] = mapping.get(key) or {}
    return found.items()


def _text(text: str | None) -> str:
    return f'<p class="text">{escape(text)}</p>\n' if text else ""


def _table(titles: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = ["<table><thead><tr>", *(f"<th>{escape(title)}</th>" for title in titles), "</tr></thead><tbody>\n"]
    for first, *others in rows:
        lines += [
            f"<tr><td><code>{escape(first)}</code></td>",
            *(f"<td>{escape(cell)}</td>" for cell in others),
            "</tr>\n",
        ]
    return "".join([*lines, "</tbody></table>\n"])


def _parameters(schema: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    required = schema.get("required", ())
    for key, each in schema["properties"].items():
        facts = [each.get("description", ""), "required" if key in required else ""]
        facts += [f"default {json.dumps(each['default'])}"] if "default" in each else []
        yield key, _type(each), "; ".join(filter(None, facts))


_CONSTRAINTS = {
    "minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<", "multipleOf": "multiple of",
    "minLength": "length ≥", "maxLength": "length ≤", "minItems": "items ≥", "maxItems": "items ≤",
    "pattern": "matches", "format": "as",
}  # fmt: skip


def _type(schema: Any) -> str:
    """A schema in a few words."""
    if not isinstance(schema, Mapping):
        return ""
    for key, word in (("anyOf", " or "), ("oneOf", " or "), ("allOf", ", ")):
        if key in schema:
            # What is absent is null: nobody sends it.
            return word.join(filter(None, (_type(part) for part in schema[key] if part != {"type": "null"})))
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    values = [schema["const"]] if "const" in schema else schema.get("enum")
    if values:
        return " | ".join(map(json.dumps, values))
    told = [f"{word} {schema[key]}" for key, word in _CONSTRAINTS.items() if key in schema]
    kind = str(schema.get("type", ""))
    if kind == "array":
        kind = f"list of {_type(schema.get('items'))}".removesuffix(" of ")
    return ", ".join(filter(None, (kind, *told)))


def _told(headers: Mapping[str, str] | None) -> str:
    return ", ".join(f"{name}: {value}" for name, value in (headers or {}).items())


def _security(document: Mapping[str, Any], name: str) -> Iterator[str]:
    operation = document["operations"][f"{name}.receive"]
    schemes = [(each["$ref"].rpartition("/")[2], _resolved(document, each)) for each in operation.get("security", ())]
    if schemes:
        yield "<h3>Security</h3>\n"
        yield "<p>All of these.</p>\n" if "x-security-all" in operation else ""
        yield _table(("scheme", "type", ""), ((key, _scheme_type(each), _scheme_facts(each)) for key, each in schemes))


def _scheme_type(scheme: Mapping[str, Any]) -> str:
    where = f" {scheme['name']} in the {scheme['in']}" if "in" in scheme else ""
    return f"{scheme['type']} {scheme.get('scheme', '')}".strip() + where


def _scheme_facts(scheme: Mapping[str, Any]) -> str:
    scopes = scheme.get("scopes") or scheme.get("x-scopes") or ()
    facts = [scheme.get("description", ""), "scopes " + ", ".join(scopes) if scopes else ""]
    return "; ".join(filter(None, [*facts, "optional" if "x-optional" in scheme else ""]))


def _message(document: Mapping[str, Any], message: Mapping[str, Any]) -> Iterator[str]:
    yield f"<p><strong>{escape(message['name'])}</strong> {escape(message.get('summary', ''))}</p>\n"
    for example in message.get("examples", ()):
        yield _pre(example["payload"])
    yield f"<details><summary>Schema</summary>\n{_pre(_resolved(document, message['payload']))}</details>\n"


def _pre(data: Any) -> str:
    return f"<pre>{escape(json.dumps(data, indent=2, ensure_ascii=False))}</pre>\n"


def _resolved(document: Mapping[str, Any], thing: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = thing
    while "$ref" in found:
        target: Any = document
        for part in found["$ref"].removeprefix("#/").split("/"):
            target = target[part]
        found = target
    return found


def _try(
    document: Mapping[str, Any],
    name: str,
    channel: Mapping[str, Any],
    path: Mapping[str, Any],
    query: Mapping[str, Any],
) -> Iterator[str]:
    """A form that the script opens: without it, nothing would happen."""
    yield f'<form class="try" data-address="{escape(channel["address"])}" hidden>\n<h3>Try it</h3>\n'
    yield '<label>Server <input name="server"></label>\n'
    for place, properties in (("path", path), ("query", query.get("properties", {}))):
        for key, schema in properties.items():
            many = ' data-many="1"' if _type(schema).startswith("list") else ""
            hint = f' placeholder="{escape(_type(schema))}"'
            yield f'<label>{escape(key)} <input data-in="{place}" data-name="{escape(key)}"{many}{hint}></label>\n'
    offers = escape(", ".join(channel.get("x-subprotocols", ())))
    yield f'<label>Subprotocols <input name="subprotocols" value="{offers}"></label>\n'
    yield '<button type="submit">Open</button>'
    messages = [_resolved(document, each) for each in document["operations"][f"{name}.receive"].get("messages", ())]
    examples = [example["payload"] for message in messages for example in message.get("examples", ())]
    text = escape(json.dumps(examples[0], ensure_ascii=False)) if examples else ""
    yield f'<label>Message <textarea name="message" rows="3">{text}</textarea></label>\n'
    yield '<button type="button" disabled>Send</button><button type="button" disabled>Close</button>\n'
    yield '<p class="quiet">A browser sends its own cookies, and no headers of yours.</p>\n'
    yield '<ol class="log"></ol>\n</form>\n'
