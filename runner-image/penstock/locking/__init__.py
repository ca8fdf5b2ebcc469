"""Locks that make tasks of one cache key run one at a time, under Prefect's names."""
