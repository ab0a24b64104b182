"""The magics: `%secure_load`, `%%secure_sql`, `%secure_catalog`, `%secure_status`, `%secure_why`, and others.

Each parses its line and calls the function of the same name in `api`; `?` after the name shows the options.
"""

from __future__ import annotations

from typing import Any

from IPython.core.magic import Magics, cell_magic, line_magic, magics_class
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display

from jupyter_secure.protocol.errors import InvalidRequestError

from . import api
from .display import AccessNote, BudgetTable, CatalogTable, StatusTable, WhyTable


@magics_class
class SecureMagics(Magics):
    """Magics for sealed datasets."""

    @magic_arguments()
    @argument("dataset", help="name of the dataset; `%%secure_catalog` lists them")
    @argument("--as", dest="rung", choices=(*api.RUNGS, api.SYNTHETIC), help="the form; default: the highest permitted")
    @argument("--columns", metavar="A,B", help="only these columns, commas between them")
    @argument("--purpose", help="what the data is used for")
    @argument("--frame", choices=api.FRAMES, default="pandas", help="kind of frame; default: pandas")
    @argument("--target", help="with --as synthetic: the category that models are to learn from the rows")
    @argument("--rows", type=int, help="with --as synthetic: how many; default: about as many as there are")
    @argument("--epsilon", help="with --as synthetic: what it may cost; default: the policy's")
    @argument("--preview", action="store_true", help="say what would come, with made-up examples, and load nothing")
    @argument("--quiet", action="store_true", help="say nothing about masks and missing columns")
    @line_magic
    def secure_load(self, line: str) -> Any:
        """Load the view of a dataset that policy permits.

        `df = %secure_load patients --purpose readmission-study`
        """
        args = parse_argstring(self.secure_load, line)
        dataset, columns = _unquoted(args.dataset), None if args.columns is None else _unquoted(args.columns)
        wish = {"target": args.target, "rows": args.rows, "epsilon": args.epsilon}
        if args.rung == api.SYNTHETIC:
            how = {"columns": columns, "purpose": args.purpose, "frame": args.frame, "dry_run": args.preview}
            loaded, note = api.synthesize_with_note(dataset, **wish, **how)
        elif any(value is not None for value in wish.values()):
            raise InvalidRequestError("`--target`, `--rows` and `--epsilon` go with `--as synthetic`.")
        elif args.preview:
            return api.preview(dataset, args.purpose, columns)
        else:
            loaded, note = api.load_with_note(dataset, args.rung, columns, args.purpose, args.frame)
        if note is not None and not args.quiet:
            display(note)
        return loaded

    @magic_arguments()
    @argument("name", nargs="?", help="the variable that gets the answer; without it the answer is shown")
    @argument("--epsilon", help="what the question may cost; default: the policy's")
    @argument("--purpose", help="what the data is used for")
    @argument("--dry-run", action="store_true", help="say the price and the margins, and spend nothing")
    @cell_magic
    def secure_sql(self, line: str, cell: str) -> Any:
        """Ask a private dataset in SQL: one SELECT with COUNT, SUM, AVG, STDDEV, MEDIAN ... by groups.

        `SELECT sex, AVG(cost) FROM patients WHERE age > 40 GROUP BY sex`
        """
        args = parse_argstring(self.secure_sql, line)
        answer = api.sql(cell, epsilon=args.epsilon, purpose=args.purpose, dry_run=args.dry_run)
        if not args.name:
            return answer
        self.shell.user_ns[args.name] = answer
        return None

    @magic_arguments()
    @line_magic
    def secure_catalog(self, line: str) -> CatalogTable:
        """List the datasets that you may use here, and as what."""
        parse_argstring(self.secure_catalog, line)
        return api.catalog()

    @magic_arguments()
    @line_magic
    def secure_status(self, line: str) -> StatusTable:
        """Say who you are to the broker, and how confined this kernel is."""
        parse_argstring(self.secure_status, line)
        return api.status()

    @magic_arguments()
    @argument("what", metavar="DATASET[.COLUMN]", help="a dataset, or one column of it")
    @argument("--purpose", help="what the data would be used for")
    @line_magic
    def secure_why(self, line: str) -> WhyTable:
        """Say why columns come out as they do."""
        args = parse_argstring(self.secure_why, line)
        return api.why(_unquoted(args.what), args.purpose)

    @magic_arguments()
    @argument("dataset", nargs="?", help="only this dataset")
    @argument("--allow", metavar="EPSILON", help="from now on this notebook may spend so much of the dataset in all")
    @line_magic
    def secure_budget(self, line: str) -> BudgetTable:
        """Say what is left to spend on private questions, and what spent it."""
        args = parse_argstring(self.secure_budget, line)
        return api.budget(args.dataset, args.allow)

    @magic_arguments()
    @argument("dataset", help="name of the dataset")
    @argument("--as", dest="rung", choices=api.RUNGS, help="the form; default: the highest that can be asked for")
    @argument("--purpose", help="what the data would be used for")
    @argument("--reason", required=True, help="why you need it, in quotes, for whoever decides")
    @argument("--days", type=int, default=7, help="for how long; default: 7")
    @line_magic
    def secure_request(self, line: str) -> AccessNote:
        """Ask for what policy gives only once somebody else has approved it.

        `%secure_request patients --as masked --purpose readmission-study --reason "Who comes back?" --days 7`
        """
        args = parse_argstring(self.secure_request, line)
        return api.request(
            _unquoted(args.dataset), args.rung, args.purpose, reason=_unquoted(args.reason), days=args.days
        )


NAMES = ("secure_load", "secure_catalog", "secure_status", "secure_why", "secure_budget", "secure_request")
CELL_NAMES = ("secure_sql",)


def _unquoted(text: str) -> str:
    # IPython splits a line at blanks outside quotes and leaves the quotes where they are.
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'" else text
