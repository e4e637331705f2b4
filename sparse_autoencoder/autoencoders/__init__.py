"""Published autoencoders: downloaded, read without running code, and computed sparsely. They know no tokens and no
language models."""
