"""`milepost view`: recorded episodes and training curves in the browser, and the same as one HTML file."""
