//! The text files that mlfn writes, and a pure render function for each.
