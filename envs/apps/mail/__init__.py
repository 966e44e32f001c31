"""mail: an inbox, messages with attachments, and a place to write them."""
