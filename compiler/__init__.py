"""RUNS it: money, calls, evidence, the frozen file. Imports teleprompters and signatures."""
