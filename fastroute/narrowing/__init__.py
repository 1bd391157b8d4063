"""FastAPI's routers keep deciding by their own code, on the routes that can match.

- `tables`: the index of one list of FastAPI's.
- `routers`: the theory of operation; what stands in for FastAPI's routers, and what their indexes are read from.
- `probe`: whether all this works with the FastAPI that is loaded: a small application is asked with and without it.
"""
