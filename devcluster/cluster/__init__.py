"""A real Kubernetes on a bare Linux machine; standard library only, so that it needs no set-up."""
