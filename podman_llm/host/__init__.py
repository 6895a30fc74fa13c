"""The machine we run on: clocks, files, processes. The only floor that touches them directly."""
