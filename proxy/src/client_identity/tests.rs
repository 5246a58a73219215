//! Who a client is taken for, and what is said about it.
