"""Runs frozen files; imports neither dspy nor optuna nor any of the search. See `program`."""
