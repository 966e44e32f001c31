"""Tasks served to other frameworks, by the protocol of OpenEnv: see docs/integrations.md.

catalogue.py   which tasks are served, and as which splits
messages.py    what goes over the wire
session.py     one client's episodes
sessions.py    how many there are, and when they end
gate.py        who is let in
app.py         the addresses
openapi.py     their description
server.py      the server
"""
