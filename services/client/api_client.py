"""A client of the services' API: starts runs, changes them, and follows their events. submit.py prints for it."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import Any
from urllib.parse import quote, urlsplit

import urllib3

from sparse_autoencoder.errors import NetworkError, SaescopeError

CONNECT_TIMEOUT_S = 10.0
ANSWER_TIMEOUT_S = 120.0  # the API itself may wait for a slow store or queue
SILENCE_S = 40.0  # the API sends at least a comment every 15 s
RECONNECT_EVERY_S = 2.0
GIVE_UP_AFTER_S = 600.0

JSON, LINES = "application/json", "application/x-ndjson"
Entry = dict[str, Any]


class ApiClient:
    """A client of the API at `url`, such as http://127.0.0.1:8765; SaescopeError if the URL is not valid."""

    def __init__(self, url: str, token: str | None = None) -> None:
        try:
            parts = urlsplit(url)
            valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or True)
        except ValueError:  # the port is not valid
            valid = False
        if not valid:
            raise SaescopeError(f"{url!r} is no address of an API: write it as http://127.0.0.1:8765")
        if token is not None and not (token.isascii() and token.isprintable()):
            raise SaescopeError("the token has characters that can't be sent: give it as it is in the API's settings")
        self._url = url.rstrip("/")
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._pool = urllib3.PoolManager(retries=False)

    @property
    def url(self) -> str:
        """The address, without a slash at its end."""
        return self._url

    def check_starts_runs(self) -> None:
        """SaescopeError if what answers is no API of saescope, or one that only shows runs."""
        offered = self._request("GET", "/api/options")
        if not isinstance(offered, dict) or "can_start" not in offered:
            raise SaescopeError(self._another_server())
        if not offered["can_start"]:
            raise SaescopeError(
                f"the saescope at {self._url} shows runs and has no services that compute them: give the address of "
                "services with --url, or compute the run here with `saescope run`"
            )

    def runs(self) -> list[Entry]:
        """The entries of all runs, newest first."""
        answer = self._request("GET", "/api/runs")
        if not isinstance(answer, dict) or not isinstance(answer.get("runs"), list):
            raise SaescopeError(self._another_server())
        return [dict(entry) for entry in answer["runs"]]

    def delete(self, run_id: str) -> None:
        """Remove a run. SaescopeError with the API's reason if it refuses."""
        self._request("DELETE", _path(run_id))

    def export_labels(self, run_id: str) -> str:
        """All that is said of the features of a run's autoencoder, as JSON Lines; see runs/label_lines.py."""
        response = self._ask("GET", f"/api/labels/export?run={quote(run_id, safe='')}")
        if response.headers.get("Content-Type", "").partition(";")[0] != LINES:
            raise SaescopeError(self._another_server())
        return response.data.decode(errors="replace")

    def import_labels(self, run_id: str, lines: str, *, replace: bool) -> dict[str, Any]:
        """Take over such lines; what became of them. SaescopeError with the API's reason if it refuses."""
        path = f"/api/labels/import?run={quote(run_id, safe='')}&replace={str(replace).lower()}"
        outcome = self._content(self._ask("POST", path, lines.encode(), LINES))
        if not isinstance(outcome, dict) or "conflicts" not in outcome:
            raise SaescopeError(self._another_server())
        return outcome

    def start(self, options: dict[str, Any]) -> str:
        """Start a run; returns its id. SaescopeError with the API's reason if it refuses."""
        return str(self._entry("/api/runs", options)["id"])

    def change(self, run_id: str, action: str) -> Entry:
        """`cancel`, `resume` or `retry` a run; returns its entry. SaescopeError with the API's reason if it refuses."""
        return self._entry(f"{_path(run_id)}/{action}", {})

    def follow(self, run_id: str, on_problem: Callable[[str], object]) -> Iterator[Entry]:
        """Yield a run's entry whenever it changes; the last one is that of the ended run.

        A lost connection is opened again, and `on_problem` is called with the reason. SaescopeError if there is no such
        run, or if the API can't be reached for GIVE_UP_AFTER_S.
        """
        heard_at = time.monotonic()
        while True:
            try:
                for name, entry in self._events(run_id):
                    heard_at = time.monotonic()
                    yield entry
                    if name == "end":
                        return
                problem = "the connection was closed"
            except urllib3.exceptions.HTTPError as error:
                problem = _reason(error)
            except _TryAgainError as error:
                problem = str(error)
            if time.monotonic() - heard_at > GIVE_UP_AFTER_S:
                raise NetworkError(f"run {run_id} can't be followed any more: {problem}; it may be going on")
            on_problem(f"trying again: {problem}")
            time.sleep(RECONNECT_EVERY_S)

    def _events(self, run_id: str) -> Iterator[tuple[str, Entry]]:
        """The events that one connection brings: name and entry."""
        response = self._pool.request(
            "GET",
            f"{self._url}{_path(run_id)}/events",
            preload_content=False,
            timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=SILENCE_S),
        )
        with closing(response):
            if response.status >= 500:
                raise _TryAgainError(_error_of(response.status, response.data))
            if response.status != 200:
                raise SaescopeError(_error_of(response.status, response.data))
            name = ""
            for line in response:
                field, _, value = line.rstrip(b"\n").partition(b": ")
                if field == b"event":
                    name = value.decode()
                elif field == b"data":
                    yield name, json.loads(value)

    def _entry(self, path: str, content: dict[str, Any]) -> Entry:
        """The run that a request which changes it is answered with."""
        entry = self._request("POST", path, content)
        if not isinstance(entry, dict) or "id" not in entry:
            raise SaescopeError(self._another_server())
        return entry

    def _request(self, method: str, path: str, content: dict[str, Any] | None = None) -> Any:
        """The content of the answer, None if it has none; SaescopeError with the API's reason if it refuses."""
        body = None if content is None else json.dumps(content).encode()
        return self._content(self._ask(method, path, body))

    def _ask(
        self, method: str, path: str, body: bytes | None = None, media_type: str = JSON
    ) -> urllib3.BaseHTTPResponse:
        """A good answer; SaescopeError with the API's reason if it refuses."""
        try:
            response = self._pool.request(
                method,
                self._url + path,
                body=body,
                headers={**self._headers, "Content-Type": media_type},
                timeout=urllib3.Timeout(connect=CONNECT_TIMEOUT_S, read=ANSWER_TIMEOUT_S),
                redirect=False,
            )
        except urllib3.exceptions.HTTPError as error:
            raise NetworkError(f"the API at {self._url} doesn't answer; is it up? ({_reason(error)})") from error
        if response.status not in (200, 201, 204):
            raise SaescopeError(_error_of(response.status, response.data))
        return response

    def _content(self, response: urllib3.BaseHTTPResponse) -> Any:
        if response.status == 204:
            return None
        try:
            return response.json()
        except ValueError as error:
            raise SaescopeError(self._another_server()) from error

    def _another_server(self) -> str:
        return f"what answers at {self._url} is not the API of saescope: check the address"


class _TryAgainError(Exception):
    """The API has a problem; a later attempt may work."""


def _path(run_id: str) -> str:
    return f"/api/runs/{quote(run_id, safe='')}"


def _error_of(status: int, body: bytes) -> str:
    """The error sentence in an answer of the API."""
    try:
        return str(json.loads(body)["error"])
    except (ValueError, TypeError, KeyError):
        return f"the API answers with status {status} and no explanation: is that its address?"


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or error).partition("\n")[0]
