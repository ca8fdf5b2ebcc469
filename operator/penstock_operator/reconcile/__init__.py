"""The decisions: what ought to be done, given what was observed and what time it is.

Nothing in here performs I/O, awaits, reads a clock or draws a random number. `kube` and `app`
gather the observations (`observed`), carry out the actions (`actions`), and come back when a plan
asks for a look-up or when its time has come.
"""
