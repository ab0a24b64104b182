"""The audit log: a Merkle log with signed checkpoints, written before anything is opened (docs/spec/audit-log-v1.md).

`entry` says which bytes are hashed, `log` writes, `writer` groups commits, `continuity` refuses a log that went back,
`anchor` remembers the last checkpoint apart from the database, `reading` reads, `verify` finds every change and says so
in the nouns of `report`.
"""
