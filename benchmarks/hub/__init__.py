"""The hub beside its floors and its peers, in one run."""
