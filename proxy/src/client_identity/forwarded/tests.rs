//! `Forwarded` by the grammar of RFC 7239.
