"""What stands behind a task's pages when it is no bundled application: a folder, somebody's server, a real site.

Each is an `App` of sandbox/app_server.py, so that all of them share what that server promises: an origin of its own per
episode, no way out of it, bounds and deadlines.
"""
