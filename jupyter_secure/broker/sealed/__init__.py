"""Sealed dataset versions: encrypted Parquet files pinned by one signed manifest (docs/spec/sealed-v1.md).

`source` reads what a person brings, `tags` suggests what its columns are, `writer` seals, `catalog` finds and verifies
manifests, `reader` opens parts with the keys of only the columns asked for, `check` verifies everything.
"""
