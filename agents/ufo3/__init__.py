"""UFO³ beside the fabric (extra ``ufo3``), by its wire alone: nothing of its code is needed.

`messages` are its frames, `gateway` is the server that its device clients dial, whose tools become
skills, and `server` gives tasks to devices behind a real UFO³ server.
"""
