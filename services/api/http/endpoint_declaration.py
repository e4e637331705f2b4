"""How an endpoint is declared: a function, and what its signature says is checked, answered and described.

    endpoints = Endpoints()

    @endpoints.declare("GET", "/api/runs/{id}", problems=(404, 503))
    def one_run(asked: RunId, api: Api) -> Run:
        \"\"\"A run.\"\"\"

The first argument's type is what may be asked, the return type is what is answered, and the docstring is the summary in
openapi.json. `problems` are the statuses of answers that are a Problem instead.
"""

import inspect
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal, TypeVar, get_type_hints

from pydantic import BaseModel
from starlette.responses import Response

from services.api.http.parameters import Parameters

Method = Literal["GET", "POST", "PUT", "DELETE"]
F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, eq=False)
class Endpoint:
    """One thing that can be asked of the API."""

    method: Method
    path: str
    function: Callable[..., Any]
    parameters: type[Parameters]
    answer: Any  # the type of a good answer's JSON, or of an event's data in an event stream; None if there is none
    problems: tuple[int, ...]
    status: int
    media_type: str
    body: type[BaseModel] | None
    about_runs: bool
    public: bool  # taken from everybody, though it isn't GET
    table: str | None  # the key of the answer's list that can be had as a table
    without_services: bool  # works without services, though it isn't GET
    takes: str  # the media type of a request's body
    has_tag: bool  # answers with 304 what If-None-Match names

    @property
    def summary(self) -> str:
        """What it is for, in one line."""
        return " ".join((inspect.getdoc(self.function) or "").split())


class Endpoints:
    """A group of endpoints, in the order in which they are declared."""

    def __init__(self) -> None:
        self._declared: list[Endpoint] = []

    def __iter__(self) -> Iterator[Endpoint]:
        return iter(self._declared)

    def about_runs(self, path: str, *, table: str | None = None) -> Callable[[F], F]:
        """Declare an answer about the runs that the parameters name: a function of the parameters and these runs.

        It is called in a thread. Its answer stays in memory and has an ETag if the runs are finished; see RunAnswers.
        With `table`, a key of the answer, its parameters are AsTable, and that list can be had as CSV and Parquet.
        """
        return self.declare("GET", path, (400, 404, 503), about_runs=True, table=table)

    def declare(
        self,
        method: Method,
        path: str,
        problems: tuple[int, ...] = (400,),
        *,
        answer: Any = None,
        status: int = 200,
        media_type: str = "application/json",
        body: type[BaseModel] | None = None,
        about_runs: bool = False,
        public: bool = False,
        table: str | None = None,
        without_services: bool = False,
        takes: str = "application/json",
        has_tag: bool = False,
    ) -> Callable[[F], F]:
        """Declare a function of the parameters, the Api and, if there is one, the `body`; it is called in a thread.

        An async function gets the request as well, and its Response is sent as it is; `answer` is the type of what is
        in it. Whatever isn't GET is for those who may change runs, unless it is `public`; it needs services behind the
        API, unless it is `without_services`.
        """

        def declared(function: F) -> F:
            types = get_type_hints(function)
            returned = types.pop("return")
            parameters = next(iter(types.values()))
            answered = answer or (None if returned in (type(None), Response) else returned)
            self._declared.append(
                Endpoint(
                    method=method,
                    path=path,
                    function=function,
                    parameters=parameters,
                    answer=answered,
                    problems=problems,
                    status=status,
                    media_type=media_type,
                    body=body,
                    about_runs=about_runs,
                    public=public,
                    table=table,
                    without_services=without_services,
                    takes=takes,
                    has_tag=has_tag or about_runs,
                )
            )
            return function

        return declared
