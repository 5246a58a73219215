//! What reaches the log and what does not.
