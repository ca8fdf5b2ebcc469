"""Schedules: which moments they name, and what becomes of each."""
