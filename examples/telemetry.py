"""What a connection did: a span of OpenTelemetry, metrics of Prometheus, and errors in Sentry.

SENTRY_DSN=https://... uvicorn --app-dir examples telemetry:app
"""

import os
from collections.abc import AsyncIterator

import sentry_sdk
from opentelemetry import trace
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, Histogram, generate_latest
from starlette.applications import Starlette
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.websockets import WebSocket

from fastroute import Depends, Router

# Its integration with Starlette, which is on by default, reports what an endpoint or a dependency raises.
sentry_sdk.init(os.environ.get("SENTRY_DSN"))
tracer = trace.get_tracer(__name__)

OPEN = Gauge("websocket_open", "Connections that are open", ["route"])
SECONDS = Histogram("websocket_seconds", "How long they were", ["route"], buckets=[1, 10, 60, 600, 3600])


async def watched(connection: HTTPConnection) -> AsyncIterator[None]:
    # The template, and not the path: that would be a new label for each room.
    route = connection.scope["route"].path
    span, gauge, seconds = f"WebSocket {route}", OPEN.labels(route), SECONDS.labels(route)
    with tracer.start_as_current_span(span), gauge.track_inprogress(), seconds.time():
        yield


async def metrics(request: Request) -> Response:
    return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)


router = Router(dependencies=[Depends(watched)])


@router.websocket("/rooms/{room}")
async def echo(websocket: WebSocket, room: str) -> None:
    await websocket.accept()
    async for text in websocket.iter_text():
        with tracer.start_as_current_span("message"):
            await websocket.send_text(f"{1 / int(text):g}")


app = Starlette(routes=[Route("/metrics", metrics), Mount("/", router)])
