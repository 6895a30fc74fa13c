"""What we know and must not forget, as small atomic files; where the two planes meet.

One writer per file: the CLI writes ``desired``, the daemon the pod record and its own report, each
proxy worker its activity. Readers take whole files or the previous generation, never half of one.
"""
