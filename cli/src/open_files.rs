//! The limit of open files: every connection takes a descriptor, and the usual soft limit of 1,024 is far below what an
//! edge node serves.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Raises the soft limit to the hard one, which is the administrator's word, and says what came of it.
pub(crate) fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current == maximum {
        return;
    }
    match setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }) {
        Ok(()) => {
            log::info!(from = current.unwrap_or(u64::MAX), to = maximum.unwrap_or(u64::MAX); "the limit of open files was raised")
        }
        Err(error) => log::warn!("the limit of open files stays at {}: {error}", current.unwrap_or(u64::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_limit_becomes_the_hard_one() {
        let hard = getrlimit(Resource::Nofile).maximum;
        raise_limit();
        assert_eq!(getrlimit(Resource::Nofile), Rlimit { current: hard, maximum: hard });
    }
}
