"""The service of dealer flow: a thin shell around ``streams.flow.fold``.

settings     what it is told, which changes no byte                 making        kernels, versions, topics, the claim
start        a checkpoint, or some time before the end              shell         the loop: read, fold, send, checkpoint
checkpoints  pieces of a state in checkpoints.v1, pure              output        the producer, dead letters, confirmation
figures      metrics and readiness
"""
