"""Who is asking: accounts, passwords, tickets of people and grants of kernels."""
