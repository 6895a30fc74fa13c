"""Doubles that ship: servers that speak the recorded protocols, and a clock that waits for you."""
