"""`python -m services.ingest`: the worker that reads datasets; with flags, the command that submits a run."""

import sys
import threading

from services.common.logs import log
from services.common.process.fresh_process import something_worked
from services.common.process.service_main import attempt_rule, run_with_settings, with_run_notes
from services.common.real_dependencies import real_dependencies
from services.common.settings import Settings
from services.common.tasks.messages import Message
from services.common.tasks.worker_process import run_worker
from services.ingest.read_source import ingest
from services.ingest.tokenised_source import open_dataset

AT_ONCE = 8  # sources read at once, so that one that waits for encoders doesn't block the other runs


def work(settings: Settings) -> int:
    """Run the worker until it is told to stop."""
    deps, stopping = real_dependencies(settings), threading.Event()

    rule = attempt_rule(deps, "ingest", stopping.is_set)

    def handle(message: Message) -> None:
        ingested = ingest(message.run_id, deps, lambda options: open_dataset(options, settings.data_folder), rule)
        if ingested is not None:
            something_worked()
            log("source_read", run=message.run_id, chunks=ingested.num_chunks, records=ingested.num_records)

    noted = with_run_notes(handle, deps.notes)
    return run_worker("ingest", ["ingest"], {"ingest": noted}, settings, at_once=AT_ONCE, stopping=stopping)


def main() -> int:
    """The worker, or with arguments `saescope submit`."""
    if sys.argv[1:]:
        from services.cli import main as command

        return command(["submit", *sys.argv[1:]])
    return run_with_settings(work)


if __name__ == "__main__":
    sys.exit(main())
