"""The exception with a message for the user, and its kinds that callers handle."""


class SaescopeError(Exception):
    """An error whose message tells the user what was wrong, where, and what to do; commands exit with status 2."""


class MixtureError(SaescopeError):
    """Continuing the run here would mix two models, versions or kinds of processors; elsewhere it may be possible."""


class DeviceError(SaescopeError):
    """There is no such device here, or it lacks what is asked of it."""


class DamagedError(SaescopeError):
    """A file's content is not what was written."""


class OtherVersionError(DamagedError):
    """Another version of saescope wrote the file, in a format that this one can't use."""
