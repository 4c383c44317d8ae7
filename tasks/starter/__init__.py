"""The starter suite: small tasks over data that lies in this package.

`suite.py` lists the tasks, each in its own file; `data/` holds what they read, `DATA_CARD.md` says
where it comes from, and `python -m tasks.starter.build` makes it anew.
"""
