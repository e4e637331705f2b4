"""`python -m services.encoder`: the worker that computes; where there are several GPUs, one such process for each."""

import os
import sys
import threading

from services.common import prometheus_metrics
from services.common.logs import log
from services.common.process.fresh_process import FreshStart, something_worked
from services.common.process.service_main import attempt_rule, run_with_settings, with_run_notes
from services.common.real_dependencies import real_dependencies
from services.common.settings import Settings
from services.common.tasks.messages import Message
from services.common.tasks.worker_process import run_worker
from services.encoder.encode_chunks import ChunkEncoder, ChunkOutput, Computer
from services.encoder.process_per_gpu import run_on_each, visible_gpus


def work(settings: Settings, computer: Computer | None = None) -> int:
    """Run the worker until it is told to stop; `computer` computes, by default with models on this process's device."""
    from services.encoder.loaded_models import ModelComputer

    deps, stopping, fresh = real_dependencies(settings), threading.Event(), FreshStart()
    computer = computer or ModelComputer(settings.data_folder)
    encoder = ChunkEncoder(deps, computer, attempt_rule(deps, "encoder", stopping.is_set))

    def handle(message: Message) -> None:
        encoded = encoder.work(message)
        if encoded is None:
            return
        if encoded.output is not None:
            _report(encoded.message, encoded.output)
        if encoded.start_fresh is not None:
            fresh.ask(encoded.start_fresh)
        elif encoded.output is not None:
            something_worked()

    noted = with_run_notes(handle, deps.notes)
    return run_worker("encoder", ["encode"], {"encode": noted}, settings, stopping=stopping, fresh=fresh)


def _report(message: Message, output: ChunkOutput) -> None:
    """Log what became of a chunk, and count it for Prometheus."""
    if output.error is not None:
        if output.of_weights is None:
            prometheus_metrics.FAILED_CHUNKS.inc()
        log("chunk_failed", run=message.run_id, chunk=message.chunk, problem=output.error)
        return
    seconds = dict(output.seconds or {})
    if output.of_weights is not None:
        log("weights_computed", run=message.run_id)
        return
    total = sum(seconds.values())
    tokens_per_s = output.num_tokens / total if total else 0.0
    prometheus_metrics.ROWS.inc(output.num_rows)
    prometheus_metrics.TOKENS.inc(output.num_tokens)
    prometheus_metrics.TOKENS_PER_S.set(tokens_per_s)
    for stage, stage_seconds in seconds.items():
        prometheus_metrics.CHUNK_SECONDS.labels(stage).observe(stage_seconds)
    log(
        "chunk_encoded",
        run=message.run_id,
        chunk=message.chunk,
        rows=output.num_rows,
        tokens=output.num_tokens,
        tokens_per_s=round(tokens_per_s),
        seconds={stage: round(value, 3) for stage, value in seconds.items()},
    )


def main() -> int:
    """The worker, or one for each GPU."""
    # How long OpenMP's threads spin while they wait for each other: long enough for one encoder, short enough for
    # several on the same cores (measured in docs/lab-notes.md). OpenMP reads it when torch is imported, later.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    gpus = visible_gpus()
    return run_on_each(gpus) if len(gpus) > 1 else run_with_settings(work)


if __name__ == "__main__":
    sys.exit(main())
