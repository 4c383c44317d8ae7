"""A static site of the records: leaderboards, models, tasks and single queries."""

from reports.site.write import write_site

__all__ = ["write_site"]
