"""From a signature to the values of one connection.

When a route is declared:

- `signature`: how a callable runs, and which parameters it takes.
- `fields`: one parameter: where its value is read from, and how it is validated.
- `dependant`: the tree of an endpoint and its dependencies.
- `nesting`: recursion over trees that are deeper than Python's stack.
- `plan`: the tree as a flat list of steps.
- `codegen`: the plan as one straight-line coroutine.

For each connection:

- `parsing`: the query string, headers and cookies as dicts.
- `values`: the value of one field, validated.
- `threads`: several sync dependencies in one trip to a worker thread.
- `cleanups`: what runs after the `yield` of a dependency, and when.
- `interpreter`: follows a plan step by step. It is the reference for the generated code, which hands over to it at the
  first error.
"""
