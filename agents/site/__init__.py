"""A hub as a device of another one: a site under a region.

The site's own devices, policies and people stay its own: what comes from above is work like any
other, and what needs an answer is asked above as well as below.
"""
