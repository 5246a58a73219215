//! What follows from what is stored and never changes, worked out at the first need and kept beside it, so that each
//! hit need not do so anew.
//!
//! Owns when it is worked out: once for a stored response. What it is, is for who needs it.

use std::sync::OnceLock;

/// Something that follows from a stored response.
#[derive(Debug)]
pub struct Derived<T>(OnceLock<T>);

impl<T> Derived<T> {
    /// What was worked out; `work_out` does so when nobody did before.
    pub fn get_or(&self, work_out: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(work_out)
    }
}

impl<T> Default for Derived<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

/// A copy begins anew: copies are made to have other fields.
impl<T> Clone for Derived<T> {
    fn clone(&self) -> Self {
        Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn something_is_worked_out_once_and_anew_for_a_copy() {
        let derived = Derived::default();
        assert_eq!(*derived.get_or(|| 1), 1);
        assert_eq!(*derived.get_or(|| 2), 1);
        assert_eq!(*derived.clone().get_or(|| 3), 3);
    }
}
