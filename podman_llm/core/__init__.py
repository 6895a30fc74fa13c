"""The brain: values in, values out.

No I/O, no clock, no randomness, no logging; time and chance come in as arguments. Every decision
the product makes about money or about an answer is a function here, and is tested as one.
"""
