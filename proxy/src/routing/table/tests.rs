//! Which site and route a request meets.
