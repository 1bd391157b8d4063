"""The command line, `python -m fastroute`. A module without an underscore is the command of that name.

- `routes`, `match`, `plan`, `check`: what an application does, and what is wrong with it.
- `asyncapi`: the document of its WebSockets.
- `bench`, `fuzz`: how fast and how exact the matching is, on routes of your own.
- `demo`, `info`: a small server with its clients; the versions and the implementation that run here.

The commands share:

- `_loading`: imports the `module:app` that was asked for.
- `_mistakes`: mistakes in declarations that show only beside the rest of the application, for `check`.
- `_request`: the request that was asked about, from a path or a URL with headers and cookies.
- `_refusals`: why the route that answers would refuse a handshake.
- `_language`: the set of paths that a template matches.
- `_accelerated`: a FastAPI application before and after `accelerate`, for `bench`.
- `_terminal`, `_plot`: tables, progress and plots.
- `_files`: the files that a command reads and writes.
"""
