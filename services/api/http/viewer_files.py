"""The built viewer as static files; every path that isn't a file gives the page, which then reads its own address."""

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

# A token's text can't become code whatever it holds: nothing from elsewhere, nothing inline, neither in scripts nor in
# styles, and no text is taken as markup, not even by the viewer's own scripts (trusted types). Pictures may also be
# what the viewer has drawn itself (blob:), which is how a chart becomes a PNG.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; "
    "base-uri 'self'; form-action 'none'; frame-ancestors {ancestors}; require-trusted-types-for 'script'; "
    "trusted-types 'none'"
)


def content_security_policy(ancestors: str = "'none'") -> str:
    """The header's value for a page that may be in a frame of these sites' pages."""
    return _POLICY.format(ancestors=ancestors)


_BASE = re.compile(r'<base href="?/"?')


class ViewerFiles(StaticFiles):
    """Static files with the page as the answer to unknown paths without an extension.

    Pages with `?embed=1`, on which nothing can be changed, may be in frames of this site and of `origins`.
    """

    def __init__(self, folder: Path, origins: Sequence[str] = ()) -> None:
        super().__init__(directory=folder, html=True, follow_symlink=False)
        self._index = folder / "index.html"
        self._embedded_in = " ".join(["'self'", *origins])

    def _policy(self, scope: Scope) -> str:
        embedded = b"embed=1" in scope.get("query_string", b"").split(b"&")
        return content_security_policy(self._embedded_in) if embedded else content_security_policy()

    def _page(self, scope: Scope) -> Response:
        """The page, in which relative addresses are relative to where the viewer begins.

        From the page's own path that is so many folders up, whatever a proxy has taken off the path's beginning.
        """
        path = scope["path"].removeprefix(scope.get("root_path", ""))
        up = "../" * (path.count("/") - 1) or "./"
        page = self._index.read_text(encoding="utf-8")
        return HTMLResponse(_BASE.sub(f'<base href="{up}"', page, count=1), headers={"Cache-Control": "no-cache"})

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path == "api":  # the API's own address, with nothing below it, isn't one of the pages'
            raise HTTPException(404)
        try:
            response = await super().get_response(path, scope)
            is_page = response.headers.get("Content-Type", "").startswith("text/html")
        except HTTPException as error:
            if error.status_code != 404 or PurePosixPath(path).suffix:
                raise
            is_page = True
        if is_page:
            response = self._page(scope)
        response.headers["Content-Security-Policy"] = self._policy(scope)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response
