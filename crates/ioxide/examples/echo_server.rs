//! A server that sends back what it is sent: `cargo run --release --example echo_server -- [ADDRESS]`.
//!
//! A task per connection, all of them on one thread. An exchange costs three system calls: waiting, reading, writing.

use std::io;

use ioxide::net::{TcpListener, TcpStream};

const BUFFER_SIZE: usize = 64 * 1024;

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_SIZE];
    loop {
        match stream.read(&mut buffer).await? {
            0 => return Ok(()),
            count => stream.write_all(&buffer[..count]).await?,
        }
    }
}

async fn serve(address: &str) -> io::Result<()> {
    let listener = TcpListener::bind(address).await?;
    println!("{}", listener.local_addr()?);
    loop {
        let (stream, peer) = listener.accept().await?;
        let conversation = async move {
            if let Err(error) = echo(stream).await {
                eprintln!("{peer}: {error}");
            }
        };
        // The task goes on by itself; nobody waits for it.
        drop(ioxide::spawn(conversation));
    }
}

fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8888".to_owned());
    ioxide::run(serve(&address))?
}
