"""The data plane: asyncio, never calls a provider, learns of the pod from ``state``."""
