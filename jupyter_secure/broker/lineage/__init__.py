"""Where data went, as far as the broker itself can vouch for it."""
