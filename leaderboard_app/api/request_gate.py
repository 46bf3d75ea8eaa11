"""Which HTTP requests reach the page: those of its own site and of programs, to the routes it uses, of small size.

A browser sends its cookies with the request of any web site, and gradio answers every origin. So what a browser
says of where a request comes from (`Origin`, `Sec-Fetch-Site`) is held against the page's own address; programs
send neither.
"""

import hmac
import os
import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECRET_HEADER = "x-leaderboard-secret"  # nosec B105: the name of the header that holds it
SPACE_HOST = "SPACE_HOST"  # in a Space, its own address
READING = ("GET", "HEAD")
OWN_SITES = ("same-origin", "none")  # of Sec-Fetch-Site: the page itself, or what the visitor typed
# What gradio's page and client post to. Not here: uploads, recordings, and what belongs to gradio's own tools.
ROUTES = re.compile(r"(/gradio_api)?/(queue/join|cancel|reset|(run|api|call|call/v2)/[\w.-]+)/?")
MOST_BYTES = 2**20  # of a body; a worker's log, which comes with the secret, is longer


class RequestGate:
    """Refuse requests of other web sites, to routes that the page does not use, and with large bodies.

    Args:
        app: What the others reach.
        secret: Who sends it in SECRET_HEADER may send bodies of any size; None for nobody.
    """

    def __init__(self, app: ASGIApp, secret: str | None = None) -> None:
        self.app, self.secret = app, secret

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 403, 404 or 413, or pass the request on."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        is_reading = scope.get("method") in READING
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        if scope["type"] == "websocket" or is_foreign(headers, is_reading):
            await _refuse(403, "requests of other web sites are refused", scope, receive, send)
        elif is_reading:
            await self.app(scope, receive, send)
        elif not ROUTES.fullmatch(path):
            await _refuse(404, "this page takes nothing here", scope, receive, send)
        elif has_secret(headers, self.secret):
            await self.app(scope, receive, send)
        else:
            body = await _body(receive)
            if body is None:
                await _refuse(413, f"at most {MOST_BYTES} bytes are taken", scope, receive, send)
            else:
                await self.app(scope, _again(body, receive), send)


def is_foreign(headers: Mapping[str, str], is_reading: bool) -> bool:
    """Return whether a browser sends a request for another web site; a link from there may be followed."""
    origin = headers.get("origin")
    own = {headers.get("host", "").lower(), os.environ.get(SPACE_HOST, "").lower()} - {""}
    if origin is not None and urlsplit(origin).netloc.lower() not in own:
        return True
    return not is_reading and headers.get("sec-fetch-site", "none") not in OWN_SITES


def has_secret(headers: Mapping[str, str], secret: str | None) -> bool:
    """Return whether a request comes from a worker that knows the secret."""
    return secret is not None and hmac.compare_digest(headers.get(SECRET_HEADER, "").encode(), secret.encode())


async def _body(receive: Receive) -> bytes | None:
    """Read a body; None if it is too large or its sender has gone."""
    body = b""
    while len(body) <= MOST_BYTES:
        message = await receive()
        if message["type"] != "http.request":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            return body if len(body) <= MOST_BYTES else None
    return None


def _again(body: bytes, receive: Receive) -> Receive:
    """Return a receiver that gives a body that was read, and then what else comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def received() -> Message:
        return waiting.pop() if waiting else await receive()

    return received


async def _refuse(status: int, why: str, scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "websocket":
        await send({"type": "websocket.close", "code": 1008, "reason": why})
    else:
        await PlainTextResponse(why, status_code=status)(scope, receive, send)
