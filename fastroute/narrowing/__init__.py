"""FastAPI's routers keep deciding by their own code, on the routes that can match.

- `tables`: the index of one list of FastAPI's.
- `reading`: the requests that can match in a route.
- `routers`: the theory of operation; what stands in for FastAPI's routers, and how their indexes are built.
- `leaves`: the routes of a router and of those that it includes, for whoever shows them.
- `probe`: whether all this works with the FastAPI that is loaded: a small application is asked with and
  without narrowing.
"""
