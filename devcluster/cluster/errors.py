"""What keeps a cluster from coming up, said in one sentence with the mend."""


class DevclusterError(Exception):
    """Shown to the person as it is, without a traceback."""
