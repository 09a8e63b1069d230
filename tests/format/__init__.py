"""The bytes: keys, notes, the tree, heads; and FORMAT.md is what the code does."""
