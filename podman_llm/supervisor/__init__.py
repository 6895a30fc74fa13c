"""Children and their restarts."""
