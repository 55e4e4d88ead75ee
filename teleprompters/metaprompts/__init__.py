"""The texts that are sent to the optimizer LM, one file each."""
