"""Import paths of Prefect's code that are elsewhere in Penstock."""
