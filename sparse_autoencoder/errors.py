"""The exception with a message for the user, and its kinds that callers handle.

`exit_status` is what commands end with; README.md has the table.
"""


class SaescopeError(Exception):
    """An error whose message tells the user what was wrong, where, and what to do."""

    exit_status = 2


class NetworkError(SaescopeError):
    """Something that is needed can't be reached, or doesn't answer; later or with a connection it may work."""

    exit_status = 3


class DataError(SaescopeError):
    """The dataset is there, and can't be read as what it is: empty, cut, damaged or not decodable."""

    exit_status = 5


class MixtureError(SaescopeError):
    """Continuing the run here would mix two models, versions or kinds of processors; elsewhere it may be possible."""


class DeviceError(SaescopeError):
    """There is no such device here, or it lacks what is asked of it."""


class DamagedError(SaescopeError):
    """A file's content is not what was written."""

    exit_status = 5


class OtherVersionError(DamagedError):
    """Another version of saescope wrote the file, in a format that this one can't use."""


class BadQuestionError(SaescopeError):
    """What is asked of a run's models can't be answered by any: the question must change."""
