"""The lab of ``course parallel``: training on K ranks, as processes or as replicas in one."""
