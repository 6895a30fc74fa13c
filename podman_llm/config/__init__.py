"""What the person wants: settings, their origins, secrets. The only reader of the environment."""
