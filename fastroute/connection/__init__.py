"""The life of one connection.

- `outgoing`: every message to the client passes it; codes, reasons and denials become such as every server can send.
- `closing`: how a connection ends, with a code and a reason that the client can read.
"""
