"""Demonstrations that are made, not found: reasoning, wrong answers, rows. Each wraps a selector or is one."""
