//! One end of a connection: non-blocking bytes over a socket, with or without TLS.

use std::io::{self, Read as _, Write as _};

use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use rustls::Connection;

/// A socket, and the TLS that is spoken over it.
pub struct Channel {
    socket: OwnedFd,
    tls: Option<Box<Connection>>,
    waits_to_write: bool,
}

impl Channel {
    /// Takes a non-blocking socket, and the TLS connection to speak over it.
    #[must_use]
    pub fn new(socket: OwnedFd, tls: Option<Connection>) -> Self {
        Self { socket, tls: tls.map(Box::new), waits_to_write: false }
    }

    /// The socket, to watch it.
    #[must_use]
    pub fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Whether this has to be called again when the socket can be written to.
    #[must_use]
    pub fn waits_to_write(&self) -> bool {
        self.waits_to_write || self.tls.as_ref().is_some_and(|tls| tls.wants_write())
    }

    /// Asks to be called again as soon as the socket can be written to.
    pub fn wait_to_write(&mut self) {
        self.waits_to_write = true;
    }

    /// Reads what is there: `None` if there is nothing yet, and 0 bytes at the end of the stream.
    ///
    /// # Errors
    /// What `recv(2)` and the TLS connection give.
    pub fn read(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let Some(tls) = &mut self.tls else {
            return would_block_as_none(recv(&self.socket, buffer, RecvFlags::empty()).map(|(count, _)| count));
        };
        loop {
            match tls.reader().read(buffer) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                result => return result.map(Some),
            }
            match tls.read_tls(&mut Socket(&self.socket)) {
                Ok(0) => return Ok(Some(0)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                result => result?,
            };
            tls.process_new_packets().map_err(io::Error::other)?;
            flush(tls, &self.socket)?; // what the handshake answers
        }
    }

    /// Whether a read that filled `count` of `room` bytes may have left some. TLS has what the kernel doesn't tell of.
    #[must_use]
    pub fn may_have_more(&self, count: usize, room: usize) -> bool {
        count == room || self.tls.is_some()
    }

    /// Writes as much as is taken at once, and says how much that was.
    ///
    /// # Errors
    /// What `send(2)` and the TLS connection give.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = match &mut self.tls {
            None => would_block_as_none(send(&self.socket, bytes, SendFlags::NOSIGNAL))?.unwrap_or(0),
            Some(tls) => {
                flush(tls, &self.socket)?;
                let count = tls.writer().write(bytes)?;
                flush(tls, &self.socket)?;
                count
            }
        };
        self.waits_to_write = count < bytes.len();
        Ok(count)
    }

    /// Sends what TLS has kept back.
    ///
    /// # Errors
    /// As [`Self::write`].
    pub fn flush(&mut self) -> io::Result<()> {
        self.waits_to_write = false;
        self.tls.as_mut().map_or(Ok(()), |tls| flush(tls, &self.socket))
    }

    /// Says goodbye, as TLS asks for, before the socket is closed.
    pub fn close(mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // The other side may be gone: then nobody misses it.
            let _ = flush(tls, &self.socket);
        }
    }
}

fn flush(tls: &mut Connection, socket: &OwnedFd) -> io::Result<()> {
    while tls.wants_write() {
        match tls.write_tls(&mut Socket(socket)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
            result => result?,
        };
    }
    Ok(())
}

fn would_block_as_none(result: rustix::io::Result<usize>) -> io::Result<Option<usize>> {
    match result {
        Ok(count) => Ok(Some(count)),
        Err(Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The socket as rustls asks for it.
struct Socket<'a>(&'a OwnedFd);

impl io::Read for Socket<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(recv(self.0, buffer, RecvFlags::empty())?.0)
    }
}

impl io::Write for Socket<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(send(self.0, bytes, SendFlags::NOSIGNAL)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
