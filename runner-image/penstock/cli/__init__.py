"""The command line: `penstock`, and `kubectl penstock` when kubectl finds it as a plugin."""
