"""The service of dealer flow: a thin shell around ``streams.flow.fold``.

settings      what it is told and what changes no byte              checkpoints   pieces of a state in checkpoints.v1, written and found
start         where to begin: a checkpoint, or before the end       shell         read, fold, send, confirm, checkpoint
"""
