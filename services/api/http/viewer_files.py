"""The built viewer as static files; every path that isn't a file gives the page, which then reads its own address."""

import re
from pathlib import Path, PurePosixPath

from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

# A token's text can't become code whatever it holds: nothing from elsewhere, nothing inline, neither in scripts nor in
# styles, and no text is taken as markup, not even by the viewer's own scripts (trusted types).
CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'self'; "
    "form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
)


_BASE = re.compile(r'<base href="?/"?')


class ViewerFiles(StaticFiles):
    """Static files with the page as the answer to unknown paths without an extension."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, html=True, follow_symlink=False)
        self._index = folder / "index.html"

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
        response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "no-referrer"
        return response
