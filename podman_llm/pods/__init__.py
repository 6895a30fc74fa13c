"""The control plane's deeds: observe the provider, let ``core`` decide, persist, act."""
