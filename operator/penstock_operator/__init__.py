"""The operator: reconciles Penstock's kinds and launches one Job per attempt of a run."""
