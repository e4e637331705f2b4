"""Serving everything under a path prefix, behind a proxy: JupyterHub, or a location of nginx."""

from starlette.types import ASGIApp, Receive, Scope, Send


class WithoutPrefix:
    """ASGI middleware: takes a prefix off the path, if the proxy has left it there; most take it off themselves."""

    def __init__(self, app: ASGIApp, prefix: str) -> None:
        self._app = app
        self._prefix = prefix.rstrip("/")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] == "http" and self._prefix:
            path = scope["path"]
            if path == self._prefix or path.startswith(f"{self._prefix}/"):
                scope = {**scope, "path": path.removeprefix(self._prefix) or "/"}
                scope.pop("raw_path", None)
        await self._app(scope, receive, send)
