"""An index over the routes of one router: the routes that can match a path, without asking all of them.

- `route_list`: the list of routes, which gets another edition with every change.
- `index`: RouteIndex, and the reading of routes: which facts about a route are certain.
- `index_router`: Starlette's router with an index over its routes, and no other name of its own.
- `substitute`: puts such a router in the place of one that somebody else has made.
"""
