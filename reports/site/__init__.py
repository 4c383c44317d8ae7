"""A folder of pages that opens from disk."""
