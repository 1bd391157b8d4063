"""From a signature to the values of one connection.

When a route is declared, and when overrides are planned:

- `signature`: how a callable runs, and which parameters it takes.
- `annotations`: the types and the metadata that an annotation is made of.
- `markers`: the marker that counts in a declaration, and the code to write instead of a mistake.
- `fields`: one parameter: its place, its keys, and how it is validated.
- `constraints`: constraints that cannot apply to their type, so that pydantic itself fails.
- `arguments`: `dependencies=` of routes and routers, and the names and prefixes in whose place dependencies may stand.
- `dependant`: the tree of an endpoint and its dependencies.
- `nesting`: recursion over trees that are deeper than Python's stack.
- `plan`: the tree as a flat list of steps.
- `codegen`: the plan as one straight-line coroutine.

For each connection:

- `parsing`: the query string, headers and cookies as dicts, for the generated code.
- `values`: the value of one field, by Starlette's properties, and validated: for the interpreter, and for rarer fields.
- `threads`: sync dependencies in worker threads, several in one trip.
- `cleanups`: runs the code after the `yield` of dependencies, each at its time.
- `results`: results that show that a guard never ran.
- `interpreter`: follows a plan step by step. It is the reference for the generated code, which hands over to it at the
  first error.
"""
