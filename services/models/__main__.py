"""`python -m services.models`: the worker that keeps runs' models loaded and answers questions about them.

`saescope serve --models` has a process of its own for that (over_pipes.py), without Redis.
"""

import os
import sys
import threading

from services.common.allowed_sources import allowed
from services.common.process.fresh_process import FreshStart, something_worked
from services.common.process.service_main import run_with_settings
from services.common.real_dependencies import questions_in_redis, real_dependencies
from services.common.redis.worker_presence import this_worker
from services.common.settings import Settings
from services.common.tasks.messages import Message
from services.common.tasks.worker_process import run_worker
from services.models.answer_questions import QuestionWorker
from sparse_autoencoder.questions.answering import Answerer, Answering


def work(settings: Settings, answering: Answering | None = None) -> int:
    """Run the worker until it is told to stop; `answering` answers, by default with models on this process's device."""
    deps, stopping, fresh = real_dependencies(settings), threading.Event(), FreshStart()
    answering = answering or Answerer(deps.store, lambda options: allowed(options, settings.data_folder))
    worker = QuestionWorker(deps, questions_in_redis(settings), answering, this_worker(), stopping.is_set)

    def handle(message: Message) -> None:
        broken = worker.work(message)
        if broken is None:
            something_worked()
        else:
            fresh.ask(broken)

    return run_worker("models", ["probe"], {"probe": handle}, settings, stopping=stopping, fresh=fresh)


def main() -> int:
    """The worker."""
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # read when torch is imported: it is idle most of the time
    return run_with_settings(work)


if __name__ == "__main__":
    sys.exit(main())
