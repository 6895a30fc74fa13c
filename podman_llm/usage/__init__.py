"""What was used and what it cost: appended off the request path, never corrected downwards."""
