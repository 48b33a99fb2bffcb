"""The ASGI application: pages and API by Django, live streams by Channels."""

from __future__ import annotations

import os
from typing import Any

from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "lab.settings")
pages = get_asgi_application()

# Only now that Django is set up can models be imported.
from channels.routing import ProtocolTypeRouter, URLRouter  # noqa: E402
from channels.security.websocket import AllowedHostsOriginValidator  # noqa: E402
from channels.sessions import CookieMiddleware  # noqa: E402

from jobs.routing import urlpatterns  # noqa: E402
from lab.eventstore import live  # noqa: E402


async def lifespan(scope: Any, receive: Any, send: Any) -> None:
    """Leave nothing behind when the server stops."""
    while True:
        message = await receive()
        if message["type"] == "lifespan.shutdown":
            await live.stop_hub()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return


sockets = CookieMiddleware(URLRouter(urlpatterns))
checked = AllowedHostsOriginValidator(sockets)


async def websocket(scope: Any, receive: Any, send: Any) -> None:
    """Let in pages of this site, and programs: no page can make a browser send the header Authorization."""
    program = any(name == b"authorization" for name, _ in scope["headers"])
    await (sockets if program else checked)(scope, receive, send)


application = ProtocolTypeRouter(
    {
        "http": pages,
        "websocket": websocket,
        "lifespan": lifespan,
    }
)
