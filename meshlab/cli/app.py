"""The command line: thin over the package, quick to start, and never a traceback unless asked for."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from meshlab import __version__
from meshlab.cli.doctor import doctor
from meshlab.cli.importing import import_files
from meshlab.cli.index import index
from meshlab.cli.notebooks import notebooks
from meshlab.cli.output import warn
from meshlab.cli.query import query
from meshlab.cli.record import record
from meshlab.cli.report import report
from meshlab.cli.sweep import sweep
from meshlab.cli.trust import trust
from meshlab.core.ownership import StrangersFolder
from meshlab.core.sanitize import address
from meshlab.errors import MeshlabError, without_credentials
from meshlab.reports.run.exits import FAILED

__all__ = ["app", "main"]

INTERRUPTED: Final = 130
_GROUPS: Final = {"schedule": "meshlab.reports.schedules.command", "lab": "meshlab.lab.command"}
"""Imported when they are asked for; the lab needs packages that not everybody installs."""


class _Commands(TyperGroup):
    def make_context(self, *args: Any, **more: Any) -> Any:
        with _harmless():
            return super().make_context(*args, **more)

    def invoke(self, ctx: Any) -> Any:
        with _harmless():
            return super().invoke(ctx)

    def list_commands(self, ctx: Any) -> list[str]:
        return [*super().list_commands(ctx), *_GROUPS]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        if cmd_name not in _GROUPS:
            return super().get_command(ctx, cmd_name)
        try:
            group = typer.main.get_group(import_module(_GROUPS[cmd_name]).app)
        except ModuleNotFoundError as e:
            if cmd_name != "lab":
                raise
            return typer.main.get_command(_without_lab(e))
        group.name = cmd_name
        return group


# typer carries its own click, whose errors it does not name.
_WRONG: Final[Any] = typer.BadParameter.__base__


@contextmanager
def _harmless() -> Iterator[None]:
    """What is said of a wrong command repeats no password."""
    try:
        yield
    except _WRONG as error:
        for word in sorted(sys.argv[1:], key=len, reverse=True):
            if "@" in word or "://" in word:
                error.message = error.message.replace(word, address(word))
        error.message = without_credentials(error.message)
        raise


app = typer.Typer(
    cls=_Commands,
    help="Ask a service mesh whether it works.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in (report, sweep, index, notebooks, doctor, query, record, trust):
    app.command()(_command)
app.command("import")(import_files)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"meshlab {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and stop.", is_eager=True, callback=_print_version)
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Ask a service mesh whether it works."""


def main() -> None:
    """The console's entry: every error becomes one sentence and an exit code."""
    # Nothing that this command starts takes a module out of the folder one works in for the one it wants.
    os.environ["PYTHONSAFEPATH"] = "1"
    try:
        with warnings.catch_warnings():
            warnings.showwarning = partial(_show, warnings.showwarning)
            app()
    except MeshlabError as e:
        _stop(e, str(e), e.exit_code)
    except ModuleNotFoundError as e:
        extra = "meshlab[lab]" if "lab" in sys.argv[1:] else "meshlab"
        _stop(e, f'the package {e.name} is not installed; try: pip install "{extra}"', FAILED)
    except KeyboardInterrupt as e:
        _stop(e, "stopped", INTERRUPTED)
    except OSError as e:
        _stop(e, f"{e}; check the disk and its permissions, or try again with --debug", FAILED)
    except Exception as e:  # noqa: BLE001 - the one place where nothing may pass
        _stop(
            e,
            f"{type(e).__name__}: {e}; this is a bug in meshlab or its installation: try again with --debug",
            FAILED,
        )


def _show(otherwise: Any, message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    """What was left out, in one sentence."""
    if issubclass(category, StrangersFolder):
        warn(str(message))
    else:
        otherwise(message, category, *where, **more)


def _stop(error: BaseException, sentence: str, code: int) -> None:
    if "--debug" in sys.argv[1:]:
        import traceback

        typer.echo(without_credentials("".join(traceback.format_exception(error))), err=True)
    warn(without_credentials(sentence))
    sys.exit(code)


def _without_lab(missing: ModuleNotFoundError) -> typer.Typer:
    """What stands in for the lab where its packages are missing."""
    stub = typer.Typer(add_completion=False)
    anything = {"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []}

    @stub.command("lab", context_settings=anything)
    def lab() -> None:
        """A real service mesh on this machine (not installed: pip install "meshlab[lab]")."""
        raise missing

    return stub
