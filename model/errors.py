"""The one error that a user can mend: shown as a message, never as a traceback."""


class InputError(ValueError):
    """Something given from outside is wrong.

    The message names what is wrong, what is allowed, what was received and what to do next; the command line prints it
    alone and ends with exit code 2.
    """
