"""Where a run keeps what its report is made of beside events and outcomes."""

FOLDER = "report"  # in the run folder
RUN, ROWS, CANDIDATES, SPENT = "run.json", "rows.jsonl", "candidates.jsonl", "spent.jsonl"
