"""The command line: a command body is context, call, print."""
