"""Those who rent out or start pods. Each turns its own dialect into ``core.sight`` values."""
