//! A scripted origin as a process: `scripted_origin ADDRESS:PORT SCRIPTS`, the scripts as a JSON object by path. Prints
//! the address and port it listens on (port 0 takes a free one), then serves until it is killed or its parent is gone.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use tidegate_tests::origin::{Origin, Script};

/// How often it looks whether its parent still lives, so that a killed test run leaves nothing behind.
const PARENT_CHECK: Duration = Duration::from_secs(2);

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address: SocketAddr = arguments.next().context("first argument: an address and port")?.parse()?;
    let scripts = arguments.next().context("second argument: scripts as JSON")?;
    let scripts: BTreeMap<String, Script> = serde_json::from_str(&scripts).context("scripts")?;
    let parent = rustix::process::getppid();
    let origin = Origin::listen(address.ip(), address.port()).await;
    for (path, script) in scripts {
        origin.on(&path, script);
    }
    println!("{}", origin.address());
    while rustix::process::getppid() == parent {
        tokio::time::sleep(PARENT_CHECK).await;
    }
    Ok(())
}
