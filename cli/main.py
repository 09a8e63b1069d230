"""The command `timebank`: finds the command typed, runs it, and says what went wrong in one manner.

Commands live one family a module and are imported only when typed, so a command that reads starts fast. This is the
one place that maps a problem to an exit status: 0 done, 1 machine or network, 2 usage, 3 refused by a rule, 4 invalid
evidence, 5 neighbour diverged. No traceback reaches a person (TIMEBANK_DEBUG=1 shows it).
"""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

import click

from cli.output import print_problem
from ledger.errors import Problem, Refused, Unavailable, Usage
from ledger.processes.child import FEW_CIRCLES

#: what is typed: where it lives (module:name)
COMMANDS = {
    "init": "cli.bank:init",
    "demo": "cli.demo:demo",
    "account": "cli.account:account",
    "record": "cli.record:record",
    "exchange": "cli.exchange:exchange",
    "balance": "cli.seeing:balance",
    "statement": "cli.seeing:statement",
    "listing": "cli.listing:listing",
    "match": "cli.listing:match",
    "directory": "cli.listing:directory",
    "referral": "cli.referral:referral",
    "prescribe": "cli.payback:prescribe",
    "payback": "cli.payback:payback",
    "institutions": "cli.institutions:institutions",
    "today": "cli.today:today",
    "sheet": "cli.today:sheet",
    "report": "cli.report:report",
    "key": "cli.key:key",
    "mandate": "cli.mandate:mandate",
    "policy": "cli.policy:policy",
    "sign": "cli.proposal:sign",
    "submit": "cli.proposal:submit",
    "log": "cli.log:log",
    "verify": "cli.verify:verify",
    "doctor": "cli.doctor:doctor",
    "reconcile": "cli.reconcile:reconcile",
    "serve": "cli.serve:serve",
    "rebuild": "cli.keep:rebuild",
    "backup": "cli.keep:backup",
    "restore": "cli.keep:restore",
    "store": "cli.store:store",
    "import": "cli.moving:import_",
    "export": "cli.moving:export",
    "neighbour": "cli.neighbour:neighbour",
    "pay": "cli.pay:pay",
    "invoice": "cli.pay:invoice",
    "payment": "cli.pay:payment",
    "alias": "cli.alias:alias",
    "sync": "cli.sync:sync",
    "completion": "cli.bank:completion",
}


class Commands(click.Group):
    """A group whose commands are imported when they are needed, and listed in the order of a bank's life."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        where = COMMANDS.get(cmd_name)
        if where is None:
            return None
        module, name = where.split(":")
        found: click.Command = getattr(import_module(module), name)
        return found

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is typed; with --all, for every bank of a host."""
        name, found, left = super().resolve_command(ctx, args)
        if not ctx.params["everywhere"]:
            return name, found, left
        path = [name]
        while isinstance(found, click.Group) and left:
            name, found, left = found.resolve_command(ctx, left)
            path.append(name)
        from cli.host import for_every_bank

        return name, found and for_every_bank(" ".join(filter(None, path)), found, ctx.params), left


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--all", "everywhere", is_flag=True, help="Run COMMAND for every bank in a folder under --bank, or here.")
@click.option("--jobs", type=click.IntRange(1), metavar="N", help="With --all: so many banks at once (default: cores).")
@click.option(
    "--timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="With --all: what takes one bank longer is stopped (default: an hour).",
)
@click.version_option(package_name="timebank", prog_name="timebank")
def timebank(*, everywhere: bool, jobs: int | None, timeout: float | None) -> None:
    """The hour ledger of a time bank: who helped whom, signed, kept for good, and checkable by anyone.

    \b
    Begin:   timebank demo
             timebank init DIR --name NAME --origin ORIGIN
    Daily:   timebank record GIVER RECEIVER 1h30 --for "shopping"
             timebank balance
    Check:   timebank verify

    \b
    Which bank:  --bank DIR, or TIMEBANK_DIR, or the nearest folder upward
    Many banks:  timebank --all sync|today|verify|backup DIR|doctor|rebuild|log publish DIR, each bank by itself: none
                 waits for another; JSON: {bank: {status, result, error, talk}}; exit status: the worst
    Reading:     --json, --csv, --at SIZE|DATE|CHECKPOINT
    Signing:     --sign-with KEY, --passphrase-file FILE or TIMEBANK_PASSPHRASE, --propose FILE
    """
    if timeout is not None and not everywhere:
        raise Usage("usage", "--timeout stops one bank of many: here is one", "with many: timebank --all COMMAND")
    if jobs is not None and not everywhere:
        raise Usage("usage", "--jobs says how many banks at once: here is one", "with many: timebank --all COMMAND")


def main() -> None:
    """Run the command line; every way out is an exit status and, if need be, one clear message."""
    gc.set_threshold(*FEW_CIRCLES)  # starting up makes none at all
    status = run(sys.argv[1:])
    gc.freeze()  # nor at the end, when all of it goes
    sys.exit(status)


def run(arguments: list[str]) -> int:
    """Run one command; return its exit status."""

    def typed() -> Any:
        return timebank.main(arguments, prog_name="timebank", standalone_mode=False)

    return outcome(typed, as_json="--json" in arguments)


def outcome(work: Callable[[], Any], *, as_json: bool) -> int:
    """The exit status of a command; what stopped it is said."""
    try:
        status = work()
        sys.stdout.flush()
    except Problem as problem:
        _debug()
        print_problem(problem, as_json=as_json)
        return problem.exit_status
    except click.UsageError as error:
        wrong = _usage(error)
        print_problem(wrong, as_json=as_json)
        return wrong.exit_status
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except (click.Abort, KeyboardInterrupt):
        click.echo("stopped; nothing more was recorded", err=True)
        return 130
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except OSError as error:
        _debug()
        print_problem(_machine(error), as_json=as_json)
        return Unavailable.exit_status
    except Exception as error:  # noqa: BLE001  no traceback reaches a person
        _debug()
        what = f"{type(error).__name__}: {error}".split("\n")[0][:200]
        print_problem(Unavailable("internal", f"timebank itself failed: {what}"), as_json=as_json)
        return Unavailable.exit_status
    return status if isinstance(status, int) else 0


def _usage(error: click.UsageError) -> Problem:
    command = error.ctx.command_path if error.ctx else "timebank"
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        return Usage("usage", f"{command} needs a command", f"see them with: {command} --help")
    if isinstance(error, click.NoSuchOption) and error.option_name[1:2].isdecimal():
        return Refused("negative_time", "a time is never below zero")
    message = error.format_message().rstrip(".").replace("\n", " ")
    return Usage("usage", message[:1].lower() + message[1:], f"see: {command} --help")


def _machine(error: OSError) -> Unavailable:
    code = "disk_full" if error.errno == 28 else "file_unavailable"
    return Unavailable(code, f"{error.filename or 'the machine'}: {error.strerror or error}")


def _debug() -> None:
    if os.environ.get("TIMEBANK_DEBUG"):
        import traceback

        traceback.print_exc()
