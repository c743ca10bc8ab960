"""Measurements that a user can repeat: `seqkit bench ...`."""
