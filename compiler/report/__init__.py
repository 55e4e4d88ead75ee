"""The report of a compile: `notes` is written while it runs, the rest makes one HTML file or a text of it."""
