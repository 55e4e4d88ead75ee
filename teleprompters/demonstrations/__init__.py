"""Demonstrations: which, in what order, written how. Names only; each is imported when first used."""
