"""The life of one connection.

- `outgoing`: every message after the Origin check passes it; codes, reasons and denials become such as every server
  can send.
- `origins`: from which pages a browser may open a connection, and the check before anything of the route runs.
- `policy`: ConnectionPolicy, what is set for the connections of a route.
- `denying`: the answer to a handshake that is not accepted, by the Origin check or by a life.
- `life`: one connection that this side may end: by a policy, a deadline or a drain.
- `injected`: the base of classes that a parameter asks for by its annotation alone.
- `messages`: Messages, a WebSocket whose messages have types.
- `deadline`: Deadline, by which a dependency ends the connection later on.
- `draining`: the lifespan of an application that ends its connections before it ends itself.
- `sweeper`: looks at all lives, five times a second.
- `interrupting`: what asyncio and trio do differently: finds shields, tells cancellations, spawns tasks.
- `observing`: the logger, and the function that is called when a connection is over.
- `closing`: how a connection ends, with a code and a reason that the client can read.
"""
