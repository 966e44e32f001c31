"""expenses: a short form, validated by the server, and a confirmation."""
