"""The processes that keep runs' models loaded and answer questions about them."""
