"""What runs in a pod: reads its FlowRun, runs the flow, reports what became of it.

The runner lives in the user's image, beside whatever the user's flow needs. So it uses the
standard library only, and states in its first report which version of the protocol
(docs/design.md, section 6) it speaks.
"""

from penstock.absent import refuse_absent

PROTOCOL = 1

refuse_absent(globals())
