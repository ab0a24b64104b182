"""`jupyter secure masks`: the methods that a policy may name, and those of other packages; needs no vault."""

from __future__ import annotations

import argparse
import inspect
import json
from typing import Any, Literal, get_args, get_origin

import msgspec

from jupyter_secure.broker.views.mask import custom
from jupyter_secure.protocol.treatment import METHODS

from . import tables


def add_parser(subparsers: Any, common: argparse.ArgumentParser) -> None:
    """Add `masks`."""
    parser = subparsers.add_parser("masks", parents=[common], help="list the methods that a policy may name")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """List the methods from the least to the most restrictive."""
    methods = [_described(name, kind) for name, kind in METHODS.items()]
    others = custom.installed()
    if args.json:
        print(json.dumps({"methods": methods, "custom": others}))
        return 0
    tables.show(
        ("method", "parameters", "meaning"),
        [[it["method"], ", ".join(it["parameters"]), it["meaning"]] for it in methods],
    )
    for it in methods:
        for name, choices in it["choices"].items():
            print(f"{it['method']}: `{name}` is one of {', '.join(choices)}")
    for name, origin in sorted(others.items()):
        print(f"custom `{name}` comes from {origin}")
    return 0


def _described(name: str, kind: type[Any]) -> dict[str, Any]:
    fields = msgspec.structs.fields(kind)
    return {
        "method": name,
        "parameters": [field.name for field in fields],
        "required": [field.name for field in fields if field.required],
        "choices": {field.name: list(get_args(field.type)) for field in fields if _closed(field.type)},
        "meaning": " ".join((inspect.getdoc(kind) or "").partition("\n\n")[0].split()),
    }


def _closed(kind: Any) -> bool:
    return get_origin(kind) is Literal
