"""The permission for other sites' pages to read (CORS), for the origins that the operator lists.

They may GET everything, and POST what OpenAI's viewer posts, which changes nothing. Nothing else may be posted: whoever
may read is not thereby somebody who may change.
"""

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.http.access import LOAD_AZ_PATH, Access


class OtherSites:
    """ASGI middleware: answers browsers that ask whether another site's page may, and marks what it may see."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._get, self._post = (_cors(app, access, method) for method in ("GET", "POST"))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        cors = self._post if scope.get("path") == LOAD_AZ_PATH else self._get
        await cors(scope, receive, send)


def _cors(app: ASGIApp, access: Access, method: str) -> CORSMiddleware:
    return CORSMiddleware(
        app,
        allow_origins=list(access.origins),
        allow_methods=[method],
        allow_headers=["Authorization"],
        allow_credentials=access.guards_reading and "*" not in access.origins,
    )
