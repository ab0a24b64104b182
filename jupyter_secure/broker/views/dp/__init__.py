"""Answers with differential privacy: a question of the closed algebra in, a table of noisy numbers out.

Order: `domain` (public facts as integers), `bind` (a question against these facts, before any data), `normalise`
(columns as integers, contributions bounded), `predicate`, `group` and `aggregate` (exact integer arithmetic),
`sensitivity`, `release` (OpenDP's noise, judged by OpenDP's map), `answer` (the table), `job` (all of it in a worker).
"""
