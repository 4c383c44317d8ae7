"""Records: what a run measured, how it is stored, read back and compared."""
