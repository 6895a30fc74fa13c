"""One OpenAI-compatible endpoint on localhost, backed by a GPU pod that never outlives its budget.

Floors, ground up; a module imports from floors below its own, never up or sideways:
errors · core · host · config|state|telemetry · providers|upstreams|cache|usage ·
pods|proxy|supervisor · daemon · bootstrap · cli|gateway.
"""
