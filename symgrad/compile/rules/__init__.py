"""The rules, a file a pass."""
