"""Names shared by all packages of jina-eval."""
