//! The outside programs that some tests need. One that is missing fails the test with what to install: a test
//! that skips itself in silence proves nothing.

use std::path::PathBuf;
use std::process::{Command, Output};

/// An outside program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// `curl`, with HTTP/2.
    Curl,
    /// `haproxy`, as a proxy in front of the edge.
    Haproxy,
    /// `node`, for the browser tests.
    Node,
    /// `promtool`, Prometheus' checker.
    Promtool,
    /// Python 3 with aioquic; `TIDEGATE_PYTHON` names another interpreter than `python3`.
    Python,
}

impl Program {
    /// Where it is.
    ///
    /// # Panics
    /// When it cannot be run; the message says what to install.
    #[must_use]
    pub fn path(self) -> PathBuf {
        let path = self.candidate();
        let runs = Command::new(&path).args(self.probe()).output().is_ok_and(|output| output.status.success());
        assert!(runs, "{} does not run: {}", path.display(), self.advice());
        path
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn run(self, arguments: &[&str]) -> Output {
        let path = self.path();
        Command::new(&path).args(arguments).output().unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn candidate(self) -> PathBuf {
        match self {
            Self::Curl => "curl".into(),
            Self::Haproxy => "haproxy".into(),
            Self::Node => "node".into(),
            Self::Promtool => "promtool".into(),
            Self::Python => std::env::var_os("TIDEGATE_PYTHON").map_or_else(|| "python3".into(), PathBuf::from),
        }
    }

    fn probe(self) -> &'static [&'static str] {
        match self {
            Self::Curl | Self::Node | Self::Promtool => &["--version"],
            Self::Haproxy => &["-v"],
            Self::Python => &["-c", "import aioquic"],
        }
    }

    fn advice(self) -> &'static str {
        match self {
            Self::Curl => "install it with `apt-get install curl`",
            Self::Haproxy => "install it with `apt-get install haproxy`",
            Self::Node => "install it with `apt-get install nodejs`, then `npm ci` in tests/browser",
            Self::Promtool => "install it with `apt-get install prometheus`",
            Self::Python => {
                "it needs the package aioquic: `python3 -m venv DIR && DIR/bin/pip install -r \
                 tests/tests/python/requirements.txt`, then set TIDEGATE_PYTHON=DIR/bin/python"
            }
        }
    }
}
