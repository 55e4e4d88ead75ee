"""Serves a frozen program over HTTP. Imports neither dspy nor optuna nor any of the search. See `app`."""
