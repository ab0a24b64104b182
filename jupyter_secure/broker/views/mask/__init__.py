"""Masks: one file per method, all on Arrow arrays, batch by batch, without a Python loop over rows."""
