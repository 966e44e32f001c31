"""post: a large mailbox with folders, search, contacts, rules, and letters to answer and pass on."""
