"""What a run decides, without doing anything: no threads, no clock, no files.

The core yields effects and is sent back what came of them; ``penstock.drivers`` carries the
effects out, once for threads and once for asyncio. The rules stand one to a module:
``retry`` (again or not, and when), ``final`` (which state a body's ending leads to),
``inputs`` (values instead of futures), ``identity`` (which call is which).
"""
