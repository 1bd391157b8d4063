"""An index over the routes of one router: the routes that can match a path, without asking all of them.

- `route_list`: the list of routes, which gets another edition with every change.
- `index`: reads routes for a table: which facts about a route are certain. RouteIndex is the public lookup.
- `index_router`: Starlette's router with an index over its routes, and no other name of its own.
- `substitute`: a subclass in the place of an object's class, which still looks like its own class, also in copies and
  pickles.
"""
