"""What others published: a table of figures, and the public repository of results."""
