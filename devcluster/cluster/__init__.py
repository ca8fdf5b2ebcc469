"""A real Kubernetes on a bare Linux machine: standard library only, so that it runs before any set-up."""
