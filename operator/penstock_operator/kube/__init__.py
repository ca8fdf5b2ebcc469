"""The ring that talks to the API server: one call each, no decisions."""
