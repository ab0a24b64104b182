"""Requests for access: asked by one person, decided by another, for some days.

`state` says what may follow what, as pure functions; `store` keeps requests and acknowledgements, and lets the first of
two deciders win. What an approval is worth is policy's business (`policy.approvals`).
"""
