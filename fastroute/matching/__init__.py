"""From a path to the routes that match it, and to their parameters. This folder imports nothing else from the package.

In the order of the flow:

- `template` reads a path template once, for both twins.
- `matcher_c`, `matcher_py`: `PathMatcher`, one template against one path.
- `rows` describes routes to a table: segments, and how to answer in place of `matches`.
- `table_c`, `table_py`: `RouteTable`, many templates against one path.
- `scope_c`, `scope_py`: from a scope to the path that routes match, and to the answer of a route.
- `implementation` chooses the compiled twin (`_c`) or the pure one (`_py`), once and for all kernels.
"""
