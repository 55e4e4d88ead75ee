"""WHAT a predictor says. No search, no network; dspy only in dspy_bridge.py."""
