"""The command that looks at a file before anything is trained on it."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Annotated

import typer

from wattcast.flows.cli.options import AsJson, Quiet
from wattcast.flows.cli.output import give
from wattcast.flows.cli.show_inspection import inspected_record, show_inspected
from wattcast.tasks.stages import screen, show_on_screen

_SET = "Value of one option of file or readings, such as file.decimal=','; may be given several times."


def inspect(
    file: Annotated[Path, typer.Argument(help="File of readings, of any kind that a training takes.")],
    *,
    config: Annotated[
        Path | None,
        typer.Option("--config", help="TOML file with what is known already, such as a draft that is half answered."),
    ] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help=_SET)] = None,
    write: Annotated[
        Path | None,
        typer.Option("--write", metavar="TOML", help="File to write as a draft configuration; there must be none yet."),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="HTML", help="File to write as a page with figures; there must be none yet."),
    ] = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Show what a file of readings holds, on which evidence, and what must be asked before a training."""
    from wattcast.flows.experiment.experiment import read_told
    from wattcast.tasks.data.files import check_new, write_new
    from wattcast.tasks.inspection.draft import draft
    from wattcast.tasks.inspection.inspect import inspect as inspect_file
    from wattcast.tasks.progress import live_words

    show_on_screen(logging.WARNING if quiet else logging.INFO)
    told = read_told(config=config, settings=settings or ())
    for path in (write, report):
        if path is not None:
            check_new(path)
    with live_words() as say:
        inspected = inspect_file(file, told.file, told.readings, say)
        text = draft(inspected.found)
        if report is not None:
            say("drawing the page")
            from wattcast.tasks.report.inspection import inspection_page

            write_new(inspection_page(inspected, text), report)
    if write is not None:
        write_new(text, write)
    give(inspected.found, record=inspected_record, show=show_inspected, as_json=as_json)
    for path in (write, report):
        if path is not None and not quiet:
            screen.print(f"written  {path}", markup=False, highlight=False, soft_wrap=True)
