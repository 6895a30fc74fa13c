"""Answers kept: memory over disk, bytes only, never on the event loop's time."""
