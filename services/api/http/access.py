"""Who may read and change: the names under which the API answers, the token, and other sites' pages.

Any page that a user visits may have the browser ask servers on the user's machine. It sees answers only with a
permission (CORS), which is given to the origins that the operator lists. It could also point its own domain at this
machine (DNS rebinding). So the API answers at addresses, at undotted names, and at names that the operator lists.
A token, which no other site knows, takes the place of these checks.
"""

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from services.api.http.json_answers import json_answer

COOKIE = "saescope_session"
SESSION_PATH = "/api/session"
LOAD_AZ_PATH = "/load_az"
VIEWER_PATHS = "/sparse-autoencoder/viewer/"
"""What OpenAI's viewer asks for; see endpoints/sae_viewer.py."""
_OPEN_PATHS = ("/healthz", "/readyz", "/metrics")  # asked by machines, under whatever name, and tell nothing of runs
_HOST = re.compile(r"(?P<name>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_](?:[A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?)(?::[0-9]{1,5})?")
NEEDS_TOKEN = "this needs the API's token: send it as `Authorization: Bearer TOKEN`"  # noqa: S105, a sentence
CHALLENGE = {"WWW-Authenticate": "Bearer"}


@dataclass(frozen=True)
class Access:
    """Who may read and change: the operator's settings."""

    token: str | None = None
    guards_reading: bool = False  # whether reading needs the token, too
    hosts: tuple[str, ...] = ()  # names to answer at, besides addresses and undotted ones; *.lab.org, or * for all
    origins: tuple[str, ...] = ()  # of other sites whose pages may read, as https://viewer.lab.org

    def is_host(self, name: str) -> bool:
        """Whether the API answers at this name, as it is in the header Host."""
        try:
            ipaddress.ip_address(name.strip("[]"))
        except ValueError:
            name = name.rstrip(".").lower()
            return "." not in name or any(_matches(name, host.lower()) for host in self.hosts)
        return True

    def is_token(self, given: str) -> bool:
        """Whether this is the token; in the same time for every other."""
        return self.token is not None and _same(given.encode("utf-8", "replace"), self.token)

    @property
    def session(self) -> str:
        """The value of the cookie that stands for the token; the token can't be told from it."""
        return hmac.new((self.token or "").encode(), b"saescope session", hashlib.sha256).hexdigest()

    def has_token(self, headers: Headers) -> bool:
        """Whether a request's headers have the token, or a cookie that was given for it."""
        if self.token is None:
            return False
        scheme, _, given = headers.get("Authorization", "").partition(" ")
        # Starlette reads headers as Latin-1, whatever the client meant
        if scheme.lower() == "bearer" and _same(given.strip().encode("latin-1"), self.token):
            return True
        return _same(_cookies(headers).get(COOKIE, "").encode("utf-8", "replace"), self.session)


class AccessCheck:
    """ASGI middleware: answers requests that may not be made, and hands on the others."""

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app = app
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        refusal = None if scope["type"] != "http" or scope["path"] in _OPEN_PATHS else self._refusal(scope)
        await (refusal or self._app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        access, headers = self._access, Headers(scope=scope)
        hosts = headers.getlist("Host")
        host = _HOST.fullmatch(hosts[0]) if len(hosts) == 1 else None
        if host is None:
            return json_answer({"error": "the request has no usable header Host"}, 400)
        has_token = access.has_token(headers)
        if not has_token and not access.is_host(host["name"]):
            return json_answer({"error": _not_at(host["name"])}, 403)
        if access.guards_reading and _tells_of_runs(scope["path"]) and not has_token:
            return json_answer({"error": NEEDS_TOKEN}, 401, CHALLENGE)
        return None


def _tells_of_runs(path: str) -> bool:
    """Whether an answer may say something of runs; the pages alone, without what they then ask for, don't."""
    of_the_api = path == "/api" or path.startswith("/api/")
    return (of_the_api and path != SESSION_PATH) or path == LOAD_AZ_PATH or path.startswith(VIEWER_PATHS)


def session_cookie(access: Access, request: HTTPConnection, root_path: str) -> str:
    """The header Set-Cookie for somebody who has given the token: for this server's pages and no other's."""
    secure = "; Secure" if request.url.scheme == "https" else ""
    return _cookie(access.session, root_path) + secure


def ended_cookie(root_path: str) -> str:
    """The header Set-Cookie that has a browser forget the session."""
    return f"{_cookie('', root_path)}; Max-Age=0"


def _cookie(value: str, root_path: str) -> str:
    return f"{COOKIE}={value}; Path={root_path or '/'}; HttpOnly; SameSite=Strict"


def _same(given: bytes, secret: str) -> bool:
    return hmac.compare_digest(given, secret.encode())


def _matches(name: str, host: str) -> bool:
    return host in ("*", name) or (host.startswith("*.") and name.endswith(host[1:]))


def _not_at(name: str) -> str:
    return (
        f"the API answers at addresses and undotted names, and not at {name}: if that is its name, allow it with "
        f"SAESCOPE_ALLOWED_HOSTS={name} (services) or --allowed-host {name} (saescope serve)"
    )


def _cookies(headers: Headers) -> Mapping[str, str]:
    try:
        jar = SimpleCookie(headers.get("Cookie", ""))
    except CookieError:
        return {}
    return {name: morsel.value for name, morsel in jar.items()}
