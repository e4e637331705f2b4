"""What comes after the SAE's top-k: summarising, merging, and runs made up without models."""
