"""One module a source: each makes the rows of its data files from pinned packages.

Used at build time only; nothing here is read when a task is evaluated.
"""
