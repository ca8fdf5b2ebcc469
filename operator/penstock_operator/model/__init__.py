"""The innermost ring: what the cluster's objects look like, and the closed sets of words they use.

Nothing in here performs I/O, reads a clock or imports another ring. The same classes parse what the
API server holds and generate the schemas that it enforces (`penstock_operator.model.crds`).
"""
