"""Secrets and yes-or-no questions, on a terminal or without one.

With `--password-stdin` a secret is one line of standard input; otherwise it is asked for on the terminal, without echo.
Without either the command stops with a sentence. A secret is never taken from an argument or the environment.
"""

from __future__ import annotations

import argparse
import getpass
import sys

from jupyter_secure.protocol.errors import InvalidRequestError


def interactive(args: argparse.Namespace) -> bool:
    """Say whether a person at a terminal can be asked."""
    return sys.stdin.isatty() and not (args.password_stdin or args.json or args.yes)


def read_secret(args: argparse.Namespace, prompt: str) -> str:
    """Return an existing secret.

    Raises:
        InvalidRequestError: there is nobody to ask.
    """
    if args.password_stdin:
        return _line()
    if not sys.stdin.isatty():
        raise InvalidRequestError(
            f"There is no terminal to ask for the {prompt}. Give it on standard input with --password-stdin."
        )
    return getpass.getpass(f"{prompt.capitalize()}: ")


def read_new_secret(args: argparse.Namespace, prompt: str) -> str:
    """Return a new secret, typed twice on a terminal.

    Raises:
        InvalidRequestError: there is nobody to ask, or the two differ.
    """
    secret = read_secret(args, f"new {prompt}")
    if not args.password_stdin and getpass.getpass("The same again: ") != secret:
        raise InvalidRequestError("The two are not the same. Nothing was changed.")
    return secret


def confirm(question: str) -> bool:
    """Ask a question whose default is no."""
    return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}


def typed_again(args: argparse.Namespace, name: str, warning: str) -> None:
    """Return if a person typed the name of what is to be destroyed again.

    Raises:
        InvalidRequestError: there is nobody to ask, or it is another name.
    """
    if not interactive(args):
        raise InvalidRequestError("Nothing was destroyed. Without a terminal, --yes says that it is meant.")
    if input(f"{warning} Type {name} to go on: ") != name:
        raise InvalidRequestError("That is another name. Nothing was destroyed.")


def _line() -> str:
    line = sys.stdin.readline()
    if not line.strip("\r\n"):
        raise InvalidRequestError("Standard input has no line with the secret. Nothing was changed.")
    return line.rstrip("\r\n")
