"""Every endpoint of the API: what it takes and what it answers. Routes are made of these, and so is openapi.json.

A sentence here is shown to whoever reads the API's description. This file answers nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from pydantic import BaseModel

from services.api.http import response_types
from services.api.http.parameters import Parameter, flag, integer, number, one_of, text, whole
from sparse_autoencoder.runs.options import RunOptions

Order = Literal["asc", "desc"]
ComparedBy = Literal["certain", "log_ratio", "feature_id", "density_a", "density_b"]

MAX_EXAMPLES = 1000
MAX_FEATURES = 10_000
MAX_PROMPTS = 1000
MAX_TEXT_CHARS = 1000  # what finds a text that long has no use for more
READ = (400, 404, 503)
CHANGE = (401, 403, 404, 405, 415, 503)


@dataclass(frozen=True, eq=False)
class Endpoint:
    """Something that can be asked of the API; `problems` are the statuses of answers that are a Problem instead.

    `answer` is what a good answer's JSON is (in an event stream, an event's data), None if there is none. Answers of
    endpoints that are `kept` have an ETag as long as they can't change.
    """

    method: Literal["GET", "POST", "DELETE"]
    path: str
    description: str
    answer: type[Any] | None
    parameters: tuple[Parameter[Any], ...] = ()
    problems: tuple[int, ...] = ()
    status: int = 200
    media_type: str = "application/json"
    body: type[BaseModel] | None = None
    kept: bool = False


# --- features

RUN = Parameter[str | None]("run", "The run's id; the newest run that has something to show if left out.", text(), None)
FEATURE_ID = Parameter(
    "id",
    "The feature, from 0 to before the number of the run's features.",
    integer(),
    missing="say which feature, as in ?id=12",
)
TOP_K = Parameter("top_k", "How many examples of each sort, at most.", whole(0, MAX_EXAMPLES), 10)
METRIC = Parameter[str | None]("metric", "The metric; the first one of metrics_available if left out.", text(), None)
SORT = Parameter[str | None](
    "sort", "What orders the list: a metric, feature_id or num_active_tokens; the metric if left out.", text(), None
)
ORDER: Parameter[Order] = Parameter("order", "Largest or smallest first.", one_of("asc", "desc"), "desc")
OFFSET = Parameter("offset", "How many to leave out at the beginning.", whole(), 0)
LIMIT = Parameter("limit", "How many, at most.", whole(0, MAX_FEATURES), 50)
MIN_DENSITY = Parameter[float | None]("min_density", "Active tokens per counted token, at least.", number(0, 1), None)
MAX_DENSITY = Parameter[float | None]("max_density", "Active tokens per counted token, at most.", number(0, 1), None)
MIN_COUNT = Parameter[int | None]("min_count", "Active tokens, at least.", whole(), None)
MAX_COUNT = Parameter[int | None]("max_count", "Active tokens, at most.", whole(), None)
TOKEN = Parameter[str | None](
    "token",
    "Features with an example that is listed for a token whose text contains this, ignoring case; spaces count.",
    text(1, MAX_TEXT_CHARS),
    None,
)
DEAD = Parameter("dead", "The features that never fired instead of those that did.", flag(), False)
DETAILS = Parameter("details", "Whether features come with their strongest tokens and their histogram.", flag(), False)
_RANKING = (RUN, METRIC, SORT, ORDER, MIN_DENSITY, MAX_DENSITY, MIN_COUNT, MAX_COUNT, TOKEN, DEAD)

FEATURES = Endpoint(
    "GET",
    "/api/features",
    "A stretch of a ranking of features.",
    response_types.FeatureList,
    (*_RANKING, OFFSET, LIMIT, DETAILS),
    READ,
    kept=True,
)
FEATURE_RANK = Endpoint(
    "GET",
    "/api/feature_rank",
    "Where a feature stands in a ranking, and which are beside it.",
    response_types.FeatureRank,
    (FEATURE_ID, *_RANKING),
    READ,
    kept=True,
)
FEATURE = Endpoint(
    "GET",
    "/api/feature",
    "A feature's strongest tokens.",
    response_types.FeatureTokens,
    (FEATURE_ID, TOP_K, RUN),
    READ,
    kept=True,
)
FEATURE_INFO = Endpoint(
    "GET",
    "/api/feature_info",
    "Everything about a feature.",
    response_types.FeatureInfo,
    (FEATURE_ID, TOP_K, RUN),
    READ,
    kept=True,
)

# --- prompts: the dataset's rows

FROM = Parameter("from", "The row to begin with; if there is none of this id, the next one.", whole(), 0)
PROMPTS_LIMIT = Parameter("limit", "How many, at most.", whole(1, MAX_PROMPTS), 50)
TEXT = Parameter[str | None]("text", "Rows whose text contains this, ignoring case.", text(1, MAX_TEXT_CHARS), None)
ROW_ID = Parameter("row_id", "The row.", whole(), place="path")

PROMPTS = Endpoint(
    "GET",
    "/api/prompts",
    "Some rows of the dataset. A search for text answers after about a second with what it has found; `next` goes on.",
    response_types.PromptList,
    (RUN, FROM, PROMPTS_LIMIT, TEXT),
    READ,
    kept=True,
)
PROMPT = Endpoint(
    "GET",
    "/api/prompts/{row_id}",
    "A row with its tokens and its strongest features.",
    response_types.PromptInfo,
    (ROW_ID, RUN),
    READ,
    kept=True,
)

# --- comparing two runs

_WHICH_RUNS = "say which two runs, as in ?a=RUN&b=RUN"
RUN_A = Parameter("a", "The id of one run.", text(), missing=_WHICH_RUNS)
RUN_B = Parameter("b", "The id of the other run, with the same autoencoder.", text(), missing=_WHICH_RUNS)
COMPARED_BY: Parameter[ComparedBy] = Parameter(
    "sort",
    "What orders the list; certain is the end of the interval that is nearer to 0, without its sign.",
    one_of("certain", "log_ratio", "feature_id", "density_a", "density_b"),
    "certain",
)
COMPARED_MIN_COUNT = Parameter("min_count", "Active tokens in both runs together, at least.", whole(), 0)
COMPARED_ID = Parameter[int | None]("id", "Only this feature.", integer(), None)

COMPARE = Endpoint(
    "GET",
    "/api/compare",
    "Features by how differently they fire in two runs.",
    response_types.Comparison,
    (RUN_A, RUN_B, COMPARED_BY, ORDER, OFFSET, LIMIT, COMPARED_MIN_COUNT, COMPARED_ID),
    READ,
    kept=True,
)

# --- runs

RUN_ID = Parameter("id", "The run's id.", text(), place="path")

OPTIONS = Endpoint("GET", "/api/options", "What can be chosen for a run.", response_types.Options)
RUNS = Endpoint("GET", "/api/runs", "All runs, newest first.", response_types.RunList, problems=(503,))
START = Endpoint(
    "POST",
    "/api/runs",
    "Start a run with these options; those left out have their defaults.",
    response_types.Started,
    problems=(400, 401, 403, 405, 415, 503),
    status=201,
    body=RunOptions,
)
ONE_RUN = Endpoint("GET", "/api/runs/{id}", "A run.", response_types.Run, (RUN_ID,), (404, 503))
DELETE = Endpoint("DELETE", "/api/runs/{id}", "Remove a run.", None, (RUN_ID,), CHANGE, status=204)
CANCEL = Endpoint(
    "POST",
    "/api/runs/{id}/cancel",
    "Have nobody work on a run any more; the run.",
    response_types.Run,
    (RUN_ID,),
    (*CHANGE, 409),
)
RESUME = Endpoint(
    "POST",
    "/api/runs/{id}/resume",
    "Go on with a run that was cancelled or failed; the run.",
    response_types.Run,
    (RUN_ID,),
    (*CHANGE, 409),
)
RETRY = Endpoint(
    "POST",
    "/api/runs/{id}/retry",
    "Try the failed chunks of a finished run again, and compute what comes after `retry_from` again; the run.",
    response_types.Run,
    (RUN_ID,),
    (*CHANGE, 409),
)
EVENTS = Endpoint(
    "GET",
    "/api/runs/{id}/events",
    "The run whenever it changes, about once a second, as server-sent events: `progress`, and `end` at last.",
    response_types.Run,
    (RUN_ID,),
    (404, 503),
    media_type="text/event-stream",
)

# --- the API itself

OPENAPI = Endpoint("GET", "/api/openapi.json", "This description, as OpenAPI 3.1.", dict[str, object])
HEALTH = Endpoint("GET", "/healthz", "The process answers.", response_types.Health)
READY = Endpoint("GET", "/readyz", "The store and, with services, Redis answer.", response_types.Ready, problems=(503,))
METRICS = Endpoint(
    "GET", "/metrics", "With services: figures in Prometheus's text format.", str, media_type="text/plain"
)

ENDPOINTS = (
    FEATURES,
    FEATURE_RANK,
    FEATURE,
    FEATURE_INFO,
    PROMPTS,
    PROMPT,
    COMPARE,
    OPTIONS,
    RUNS,
    START,
    ONE_RUN,
    DELETE,
    CANCEL,
    RESUME,
    RETRY,
    EVENTS,
    OPENAPI,
    HEALTH,
    READY,
    METRICS,
)
