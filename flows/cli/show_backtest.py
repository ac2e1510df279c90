"""What `wattcast backtest` prints when it is done: tables for people, a record for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.console import Console

from wattcast.flows.cli.output import show_banner
from wattcast.flows.cli.show_verdict import show_verdict, verdict_record

if TYPE_CHECKING:
    from wattcast.flows.backtest import Backtested


def backtested_record(backtested: Backtested) -> dict[str, Any]:
    """One JSON object for a backtest."""
    return {
        "run_id": backtested.run_id,
        "data_source": backtested.data_source,
        **verdict_record(backtested.verdict),
        "report": backtested.report,
    }


def show_backtested(backtested: Backtested) -> None:
    """All contestants, whom to use and up to which lead time, and where everything is."""
    console = Console()
    show_verdict(console, backtested.verdict)
    show_banner(console, backtested.data_source)
    console.print(f"run     {backtested.run_id}\nreport  {backtested.report}", soft_wrap=True)
