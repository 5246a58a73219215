//! A server that does nothing but write one piece to each of its clients, as fast as it can: the least that any server
//! needs on this machine, with these clients.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

/// How long after the last request it answers.
const REST: Duration = Duration::from_millis(200);

/// How long it waits for a client's request.
const PATIENCE: Duration = Duration::from_secs(60);

/// Starts so many threads, each with its share of the clients.
pub(super) fn start(threads: u32, clients: u32, piece: usize) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0").context("the trivial server cannot listen")?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        if let Err(error) = serve(&listener, threads.max(1), clients, piece) {
            eprintln!("the trivial server ended: {error:#}");
        }
    });
    Ok(address)
}

fn serve(listener: &TcpListener, threads: u32, clients: u32, piece: usize) -> Result<()> {
    let mut shares: Vec<Vec<TcpStream>> = (0..threads).map(|_| Vec::new()).collect();
    let places = (0..shares.len()).cycle();
    for place in places.take(clients as usize) {
        let (connection, _) = listener.accept()?;
        connection.set_nodelay(true)?;
        connection.set_read_timeout(Some(PATIENCE))?;
        shares[place].push(connection);
    }
    let answer =
        [format!("HTTP/1.1 200 OK\r\nContent-Length: {piece}\r\n\r\n").into_bytes(), vec![b'.'; piece]].concat();
    for mut share in shares {
        let answer = answer.clone();
        std::thread::spawn(move || -> std::io::Result<()> {
            for connection in &mut share {
                let mut request = [0; 1024];
                // One small write of the client is one read here.
                let _length = connection.read(&mut request)?;
            }
            std::thread::sleep(REST);
            share.iter_mut().try_for_each(|connection| connection.write_all(&answer))
        });
    }
    Ok(())
}
