//! Which trace contexts are taken over, and what goes on.
