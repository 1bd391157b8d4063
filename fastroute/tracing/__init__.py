"""Which route of an application answers a scope, and why the others do not. The routes themselves are asked.

- `entries`: the routes of an application as a tree, in the order in which they are tried.
- `trace`: which of them answers a scope.
- `failures`: at which position of the path a route fails, and which route is nearest.
"""
