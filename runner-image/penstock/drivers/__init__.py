"""What carries the core's effects out: threads and asyncio, and what both share.

``scope`` knows which body makes an engine call, ``frame`` what a flow run has going, ``call`` ties
the two to the core. ``threads`` and ``loops`` are the drivers; ``slots``, ``workers`` and
``loop_thread`` are where submitted tasks run.
"""
