"""The command line that makes a run with given options."""

import shlex

from sparse_autoencoder.runs.run_options import RunOptions


def same_run_command(options: RunOptions) -> str:
    """`saescope run` with every option that isn't the default, quoted for a POSIX shell."""
    words = ["saescope", "run"]
    for name, field in RunOptions.model_fields.items():
        value = getattr(options, name)
        flag = "--" + name.replace("_", "-")
        if value == field.default:
            continue
        if value is True:
            words.append(flag)
        elif str(value).startswith("-") and value != "-":
            words.append(f"{flag}={value}")  # by itself it would be taken for a flag
        else:
            words += [flag, str(value)]
    return shlex.join(words)
