"""What a fold of a backtest knows: the choice of a command, which needs nothing else to show its help."""

from typing import Literal

Span = Literal["expanding", "sliding"]
