"""Makes views: reads with the keys of only the permitted columns, masks, and seals the result to one kernel."""
