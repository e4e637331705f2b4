"""The exception that is meant for the person at the keyboard, and a kind of it that others act upon."""


class SaescopeError(Exception):
    """What was wrong, where, and what to do, in a sentence; commands print it and exit with status 2."""


class MixtureError(SaescopeError):
    """Going on with the run here would mix two models, versions or kinds of processors; elsewhere it may go on."""


class DeviceError(SaescopeError):
    """There is no such device here, or it lacks what is asked of it."""


class DamagedError(SaescopeError):
    """A file is not what was written."""


class OtherVersionError(DamagedError):
    """A file was written by another version of saescope, in a way that this one can't go on from."""
