"""Why a question has no answer, with the HTTP status that says the same to a program."""

from sparse_autoencoder.errors import BadQuestionError, MixtureError, SaescopeError
from sparse_autoencoder.questions.answer_types import Problem
from sparse_autoencoder.runs.store import NotFoundError
from sparse_autoencoder.utils.failure_rule import reason

MOST_CHARACTERS_OF_A_PROBLEM = 2000


class OverError(Exception):
    """Nobody waits for the answer any more: it was cancelled, or its time is over."""


def problem_of(error: BaseException) -> Problem:
    """The problem that an error is for whoever asked."""
    sentence = reason(error)[:MOST_CHARACTERS_OF_A_PROBLEM]
    match error:
        case BadQuestionError():
            return {"status": 400, "error": sentence}
        case NotFoundError():
            return {"status": 404, "error": sentence}
        case MixtureError():  # another model than the run's
            return {"status": 409, "error": sentence}
        case SaescopeError() | MemoryError():
            return {"status": 503, "error": sentence}
    if type(error).__name__ == "OutOfMemoryError":  # torch's, which this module doesn't import
        return {"status": 503, "error": f"the device has too little memory for this: {sentence}"}
    return {"status": 500, "error": f"answering failed unexpectedly ({sentence}); the log has the details"}
