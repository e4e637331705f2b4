"""Which services a run needs that aren't running, as a sentence for the run's page.

The reconcile loop notes what a run waits for. But it runs in the aggregator's process, so without an aggregator nobody
would say that one is missing.
"""

from collections.abc import Collection, Sequence

from services.api.runs.run_facts import RunFacts
from services.common.dependency_interfaces import Service

# What nothing is without a service.
_UNDONE: dict[Service, tuple[str, ...]] = {
    "ingest": ("read",),
    "encoder": ("encoded",),
    "aggregator": ("merged", "looked after"),
}
SERVICES: tuple[Service, ...] = tuple(_UNDONE)


def missing_services(facts: RunFacts, running: Collection[Service]) -> str | None:
    """A sentence about the services that a run needs from now on and that aren't `running`; None if all are."""
    missing = [service for service in _needed(facts) if service not in running]
    if not missing:
        return None
    undone = _or([word for service in missing for word in _UNDONE[service]])
    what_to_do = "start one, unless one is starting" if len(missing) == 1 else "start them, unless they are starting"
    return f"no {_or(missing)} is running, so nothing is {undone}: {what_to_do}"


def _needed(facts: RunFacts) -> list[Service]:
    ingested, num_merged = facts.ingested, 0 if facts.merged is None else facts.merged.next_chunk
    needed: list[Service] = []
    if ingested is None:
        needed.append("ingest")
    if ingested is None or num_merged < ingested.num_chunks:  # what is encoded and not merged isn't known here
        needed.append("encoder")
    return [*needed, "aggregator"]


def _or(words: Sequence[str]) -> str:
    *before, last = words
    return f"{', '.join(before)} or {last}" if before else last
