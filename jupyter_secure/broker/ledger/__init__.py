"""The privacy ledger: what may be spent, what was spent, and the answers that were paid for.

`accountant` turns epsilon into whole units and back, `chain` makes any change of the past visible, `ledger` reserves
before any noise is drawn, `verify` replays the whole history.
"""
