"""Errors that a user can mend: shown as a message, never as a traceback."""

from wattcast.model.telling import tellable


class InputError(ValueError):
    """Something given from outside is wrong.

    The message names what is wrong, what is allowed, what was received and what to do next; the command line prints it
    alone and ends with exit code 2. It holds no password, and of what is long its beginning and its end.
    """

    def __init__(self, message: str) -> None:
        super().__init__(tellable(message))


class DivergedError(ArithmeticError):
    """The loss is no longer a number."""

    def __init__(self, step: int, loss: float) -> None:
        super().__init__(
            f"training diverged: the loss is {loss} after {step} updates; lower fit.initial_learning_rate or give "
            f"fit.clip_norm a value"
        )
        self.step = step
