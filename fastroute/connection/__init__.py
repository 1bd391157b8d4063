"""The life of one connection.

- `closing`: how a connection ends, with a code and a reason that the client can read.
"""
