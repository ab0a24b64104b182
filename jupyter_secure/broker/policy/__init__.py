"""Who may see what, as what: a strict TOML file, compiled once and decided by a pure function.

Order of reading: `document` (the shapes of the file), `parse` (text to document, errors with line and field),
`compile` (document to `rules.Policy`), `plan` (a policy against one dataset version), `decide` (the answer), `explain`
(the answer in words). `archive` keeps the signed versions. Everything but `archive` is pure: time, identity and guard
level come in as arguments, and nothing here reads a file, a clock or a socket.
"""
