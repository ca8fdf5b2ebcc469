"""Where the results of finished calls are kept, so that they never run again in their run."""
