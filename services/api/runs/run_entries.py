"""The API's entry of a run: its status and options, progress and speed, who works on it, and what can be done with it.

With services behind the API (a Backend), runs can be changed, and Redis says which workers are alive and what runs wait
for. Without, the store is a folder in which `saescope run` may be at work.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from services.api.response_types.runs import Can, FailedChunk, Progress, Run
from services.api.runs.missing_services import SERVICES, missing_services
from services.api.runs.run_facts import RunFacts, RunFiles
from services.api.runs.run_speed import Seen, Speed, Speeds, seconds_left, total_records
from services.common import work_names
from services.common.dependency_interfaces import Dependencies, Service, UnavailableError
from sparse_autoencoder.errors import SaescopeError
from sparse_autoencoder.reading.open_runs import RunLibrary
from sparse_autoencoder.runs.store import Store

if TYPE_CHECKING:
    from services.common.redis.why_runs_wait import RunNotes

# The prefix of each service's leases, for all runs.
_LEASES: dict[Service, str] = {
    "ingest": work_names.ingest_lease(""),
    "encoder": work_names.ENCODE_LEASES,
    "aggregator": work_names.aggregate_lease(""),
}


@dataclass(frozen=True)
class Backend:
    """The services behind an API that starts runs."""

    deps: Dependencies
    problems: RunNotes
    data_folder: Path


@dataclass(frozen=True)
class _Work:
    """Who is at work, as far as Redis says; all None without services, or if Redis is away."""

    workers: Counter[str] | None  # how many encode a chunk, by run
    running: frozenset[Service] | None = None  # services that have a worker
    trouble: str | None = None


class RunEntries:
    """The entries of a store's runs, for several threads; calls raise UnavailableError if the store can't be used."""

    def __init__(
        self, store: Store, library: RunLibrary, backend: Backend | None, now: Callable[[], float] = time.time
    ) -> None:
        self.files = RunFiles(store)
        self._library = library
        self._backend = backend
        self._now = now
        self._speeds = Speeds()

    def all(self) -> list[Run]:
        """The entries of all runs, newest first."""
        runs = self.files.all()
        work = self._work() if any(facts.active for facts in runs) else _Work(None)
        return [self._entry(facts, work) for facts in runs]

    def one(self, run_id: str) -> Run:
        """A run's entry; NotFoundError if there is no such run."""
        facts = self.files.one(run_id)
        entry = self._entry(facts, self._work() if facts.active else _Work(None))
        if not facts.finished:  # of what is merged so far
            entry["self_check"] = self._self_check_so_far(run_id)
        return entry

    def _self_check_so_far(self, run_id: str) -> dict[str, Any] | None:
        try:
            found = self._library.open(run_id).metadata.self_check
        except UnavailableError:
            raise
        except SaescopeError:  # nothing is saved yet, or it is damaged, which whoever opens it is told
            return None
        return None if found is None else found.model_dump(mode="json")

    def forget(self, run_id: str) -> None:
        """Drop what is cached about a run, because it is deleted or retried."""
        self.files.forget(run_id)
        self._library.forget(run_id)
        self._speeds.forget(run_id)

    def _entry(self, facts: RunFacts, work: _Work) -> Run:
        progress = None
        if facts.active:
            progress = self._progress(facts, work) if facts.request is not None else self._progress_in_folder(facts)
        else:
            self._speeds.forget(facts.run_id)
            if facts.finished:  # whoever is told so finds its files
                self._library.has_finished(facts.run_id)
        ours = self._backend is not None
        can: Can = {
            "cancel": ours and facts.request is not None and facts.active,
            "resume": ours and facts.request is not None and not facts.active,
            "retry": ours and facts.finished and facts.retry_from is not None,
            "delete": ours,
        }
        return _run(facts, progress, can)

    def _progress(self, facts: RunFacts, work: _Work) -> Progress:
        """The progress of a run of the services."""
        assert facts.request is not None  # noqa: S101
        merged, reading, ingested = facts.merged, facts.reading, facts.ingested
        done = facts.num_kept_records if merged is None else merged.num_records
        tokens = 0 if merged is None else merged.num_tokens
        now = self._now()
        speed = self._speed(facts, done, tokens, now)
        total = total_records(
            done=done,
            exact=None if ingested is None else ingested.num_records,
            max_rows=_max_rows(facts),
            num_read=0 if reading is None else reading.num_records,
            fraction_read=None if reading is None else reading.fraction,
        )
        return {
            "num_records": done,
            "total_records": total,
            "total_is_exact": ingested is not None,
            "num_tokens": tokens,
            "tokens_per_s": None if speed is None else round(speed.tokens_per_s, 1),
            "workers": None if work.workers is None else work.workers[facts.run_id],
            "seconds_left": seconds_left(done, total, speed),
            "num_failed_chunks": 0 if merged is None else merged.num_failed_chunks,
            "problem": work.trouble or self._problem(facts.run_id) or _missing(facts, work),
        }

    def _speed(self, facts: RunFacts, done: int, tokens: int, now: float) -> Speed | None:
        """How fast services are with a run; when they began to try failed chunks again isn't known."""
        assert facts.request is not None  # noqa: S101
        begun_at, merged = _seconds(facts.request.created_at, now), facts.merged
        if facts.retry_from is None:
            at = begun_at if merged is None else _seconds(merged.at, now)
            return self._speeds.see(facts.run_id, Seen(at, done, tokens), begun_at, now)
        if merged is None:
            return None
        return self._speeds.see(facts.run_id, Seen(_seconds(merged.at, now), done, tokens), None, now)

    def _progress_in_folder(self, facts: RunFacts) -> Progress:
        """The progress of a run that `saescope run` computes, as of the state that it saved last."""
        metadata = facts.metadata
        assert metadata is not None  # noqa: S101
        try:
            metadata = self._library.open(facts.run_id).metadata
        except UnavailableError:
            raise
        except SaescopeError:  # nothing saved yet, or damaged, which whoever opens it is told
            pass
        done, total = metadata.num_records, _max_rows(facts)
        now = self._now()
        seen = Seen(now, done, metadata.num_tokens)
        speed = self._speeds.see(facts.run_id, seen, _seconds(metadata.started_at, now), now)
        return {
            "num_records": done,
            "total_records": total,
            "total_is_exact": False,
            "num_tokens": metadata.num_tokens,
            "tokens_per_s": None if speed is None else round(speed.tokens_per_s, 1),
            "workers": None,
            "seconds_left": seconds_left(done, total, speed),
            "num_failed_chunks": len(metadata.failed_chunks),
            "problem": None,
        }

    def _work(self) -> _Work:
        """Who encodes chunks of which run, and which services are there at all."""
        if self._backend is None:
            return _Work(None)
        deps = self._backend.deps
        try:
            held = deps.leases.held("")
            running = frozenset(
                service
                for service in SERVICES
                if any(name.startswith(_LEASES[service]) for name in held) or deps.workers.alive(service)
            )
        except UnavailableError as error:
            return _Work(None, trouble=str(error))
        encoded = (
            name.removeprefix(work_names.ENCODE_LEASES) for name in held if name.startswith(work_names.ENCODE_LEASES)
        )
        return _Work(Counter(name.partition("/")[0] for name in encoded), running)

    def _problem(self, run_id: str) -> str | None:
        if self._backend is None:
            return None
        try:
            return self._backend.problems.read(run_id)
        except UnavailableError as error:
            return str(error)


def _run(facts: RunFacts, progress: Progress | None, can: Can) -> Run:
    """A run: what was asked for, what is known of it so far, and what can be done with it."""
    options, metadata = facts.options, facts.metadata
    entry: Run = {
        "id": facts.run_id,
        "name": options.name,
        "status": facts.status,
        "error": None,
        "created_at": None,
        "started_at": None,
        "finished_at": None,
        "seconds": None,
        "source": _source_of(facts),
        "text_column": options.text_column,
        "subject": options.subject,
        "autoencoder": options.autoencoder,
        "layer_index": options.layer,
        "location": options.location,
        "num_prompts": 0,
        "num_tokens": 0,
        "num_texts": None,
        "groups": [],
        "num_features": None,
        "num_active_features": 0,
        "num_skipped_rows": 0,
        "skipped_rows": {},
        "noted_rows": {},
        "self_check": None,
        "warnings": [],
        "failed_chunks": [],
        "retry_from": facts.retry_from if can["retry"] or facts.request is not None else None,
        "options": options.model_dump(mode="json"),
        "progress": progress,
        "can": can,
    }
    if metadata is not None:
        entry |= {
            "error": metadata.error,
            "created_at": metadata.started_at,
            "started_at": metadata.started_at,
            "finished_at": metadata.finished_at,
            "seconds": metadata.seconds,
            "source": metadata.dataset_csv,
            "text_column": metadata.text_column,
            "subject": metadata.subject["name"],
            "autoencoder": metadata.autoencoder["name"],
            "layer_index": metadata.layer_index,
            "location": metadata.location,
            "num_prompts": metadata.num_prompts,
            "num_tokens": metadata.num_tokens,
            "num_texts": metadata.num_texts,
            "groups": [
                {
                    "name": group.name,
                    "num_rows": group.num_rows,
                    "num_texts": group.num_texts,
                    "num_tokens": group.num_tokens,
                }
                for group in metadata.groups
            ],
            "num_features": metadata.num_features,
            "num_active_features": metadata.num_active_features,
            "num_skipped_rows": metadata.num_skipped_rows,
            "skipped_rows": metadata.skipped_rows,
            "noted_rows": metadata.noted_rows,
            "self_check": None if metadata.self_check is None else metadata.self_check.model_dump(mode="json"),
            "warnings": metadata.warnings,
            "failed_chunks": [cast("FailedChunk", chunk.model_dump()) for chunk in metadata.failed_chunks],
        }
    if facts.request is not None:
        entry |= {"created_at": facts.request.created_at, "seconds": None}
        if facts.retry_from is not None:  # its plan has the counts of when it was finished
            entry |= {"num_prompts": 0, "num_tokens": 0, "num_active_features": 0, "num_texts": None, "groups": []}
            entry |= {"num_skipped_rows": 0, "skipped_rows": {}, "noted_rows": {}, "warnings": [], "self_check": None}
    if facts.merged is not None:  # the services work on it, and have come so far
        merged = facts.merged
        rows = merged.num_records - merged.num_skipped_rows
        entry |= {"num_prompts": rows, "num_tokens": merged.num_tokens, "num_skipped_rows": merged.num_skipped_rows}
    if facts.stopped is not None:
        entry["error"] = facts.stopped.error
    return entry


def _source_of(facts: RunFacts) -> str | None:
    """The source's file as soon as it is opened, before that what was asked for."""
    described = None if facts.reading is None else facts.reading.source.get("file")
    return str(described) if described else facts.options.prompt_file or facts.options.source


def _missing(facts: RunFacts, work: _Work) -> str | None:
    return None if work.running is None else missing_services(facts, work.running)


def _max_rows(facts: RunFacts) -> int | None:
    """How many rows were asked for."""
    options = facts.options
    return 1 if options.prompt_file is not None or options.kaggle_row is not None else options.max_rows


def _seconds(time_text: str, otherwise: float) -> float:
    """Seconds since 1970 of a time as files record it; they may have been changed by hand."""
    try:
        return datetime.fromisoformat(time_text).timestamp()
    except ValueError:
        return otherwise
