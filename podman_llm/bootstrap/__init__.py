"""Puts the parts together: the only package that names concrete adapters.

One module for each process, and one for each thing that more than one of them needs. A module
imports what it puts together, so that nobody loads what he does not need: a proxy worker never
loads ``requests``, the daemon never loads ``aiohttp``.
"""
