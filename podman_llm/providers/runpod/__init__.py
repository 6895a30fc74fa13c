"""RunPod over REST v2; GraphQL only for what v2 lacks: balance and the Model Repository."""
