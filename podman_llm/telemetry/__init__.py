"""Names of what happens, and how it is told: log lines and metrics, secrets struck out."""
