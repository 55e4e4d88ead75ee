"""The frozen file: written, read, checked, called by its parts; see `compiled`."""
