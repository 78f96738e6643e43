"""LeRobot's asynchronous inference over gRPC, in both directions, without unpickling anything.

LeRobot's messages are pickles, which are programs: whoever loads one runs it. `pickles` reads one
as a description of what it would do, `arrays` and `messages` understand the few descriptions that
LeRobot's own code writes and refuse all others, and `remote` and `server` speak the protocol.
"""
