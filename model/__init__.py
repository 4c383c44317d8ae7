"""Text becomes vectors: models, routes, views."""
