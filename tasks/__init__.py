"""What is measured: the suites, their tasks and the starter data.

Importing this package loads neither mteb nor torch; the functions that need them import them.
"""
