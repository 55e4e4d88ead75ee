"""Joint: one search over all parts of a program, on a portfolio of searches."""
