//! The plain server: one thread, epoll, a read and a write per message, and nothing else.

use std::rc::Rc;
use std::sync::Arc;

use anyhow::Result;
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recvfrom, sendto};
use rustls::{ServerConfig, ServerConnection};
use slab::Slab;

use crate::address::Protocol;
use crate::bulk::{BLOCK, PATTERN};
use crate::channel::Channel;
use crate::http::end_of_header;

/// How many events one wait takes.
const EVENTS_PER_WAIT: usize = 1024;

/// How much one read takes. What is written next is then still in the processor's cache: with 256 KiB, large messages cost
/// half as much again.
const READ_SIZE: usize = 64 * 1024;

/// How much of the pattern one write offers.
const WRITE_SIZE: usize = 64 * 1024;

/// What is done with what comes.
#[derive(Clone, Debug)]
pub enum Service {
    /// It goes back.
    Echo,
    /// It is counted: see [`crate::bulk`].
    Up,
    /// It is asked for: see [`crate::bulk`].
    Down,
    /// Every request is answered with this.
    Http(Rc<[u8]>),
}

/// An answer of HTTP with a body of that length.
#[must_use]
pub fn http_answer(length: usize) -> Rc<[u8]> {
    let header = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\n\r\n");
    [header.as_bytes(), &vec![b'x'; length]].concat().into()
}

/// Serves on those listening sockets until the process is ended.
///
/// # Errors
/// What `epoll_wait(2)` gives. A failure of a connection ends only that one.
pub fn serve(
    listeners: &[OwnedFd],
    protocol: Protocol,
    tls: Option<&Arc<ServerConfig>>,
    service: &Service,
) -> Result<()> {
    let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
    let mut connections: Slab<Connection> = Slab::new();
    let mut buffer = vec![0; READ_SIZE];
    let mut events = Vec::with_capacity(EVENTS_PER_WAIT);
    for (number, listener) in listeners.iter().enumerate() {
        epoll::add(&epoll, listener, EventData::new_u64(number as u64), EventFlags::IN)?;
    }
    loop {
        events.clear();
        match epoll::wait(&epoll, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in &events {
            let token = usize::try_from(event.data.u64())?;
            let Some(index) = token.checked_sub(listeners.len()) else {
                if protocol == Protocol::Udp {
                    echo_datagrams(&listeners[token], &mut buffer)?;
                    continue;
                }
                while let Some(socket) = accept(&listeners[token], protocol)? {
                    let tls = tls.map(|config| ServerConnection::new(config.clone())).transpose()?;
                    let entry = connections.vacant_entry();
                    let data = EventData::new_u64((listeners.len() + entry.key()) as u64);
                    epoll::add(&epoll, &socket, data, EventFlags::IN)?;
                    entry.insert(Connection::new(Channel::new(socket, tls.map(Into::into))));
                }
                continue;
            };
            let connection = &mut connections[index];
            // A connection that fails is gone, as one that ends: who talks to it will tell of it.
            if connection.advance(service, &mut buffer).unwrap_or(false) {
                connection.watch(&epoll, event.data)?;
            } else {
                connections.remove(index).channel.close();
            }
        }
    }
}

fn accept(listener: &OwnedFd, protocol: Protocol) -> Result<Option<OwnedFd>> {
    match accept_with(listener, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK) {
        Ok(socket) => {
            if protocol != Protocol::Unix {
                rustix::net::sockopt::set_tcp_nodelay(&socket, true)?;
            }
            Ok(Some(socket))
        }
        Err(Errno::WOULDBLOCK | Errno::CONNABORTED) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn echo_datagrams(socket: &OwnedFd, buffer: &mut [u8]) -> Result<()> {
    loop {
        match recvfrom(socket, &mut *buffer, RecvFlags::empty()) {
            Ok((count, _, Some(sender))) => {
                // A datagram that can't be sent is lost, as datagrams may be; the load generator notices.
                let _ = sendto(socket, &buffer[..count], SendFlags::empty(), &sender);
            }
            Ok((_, _, None)) | Err(Errno::CONNREFUSED) => {}
            Err(Errno::WOULDBLOCK) => return Ok(()),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The pattern, for as long as a write and whatever place it begins at.
static PIECES: [u8; WRITE_SIZE + PATTERN.len()] = {
    let mut pieces = [0; WRITE_SIZE + PATTERN.len()];
    let mut place = 0;
    while place < pieces.len() {
        pieces[place] = PATTERN[place % PATTERN.len()];
        place += 1;
    }
    pieces
};

struct Connection {
    channel: Channel,
    /// What couldn't be sent yet.
    unsent: Vec<u8>,
    /// How many bytes of the pattern are still to be sent.
    owed: usize,
    /// How far into the block, or into the pattern, the connection is.
    place: usize,
    /// A request that isn't complete.
    request: Vec<u8>,
    interest: EventFlags,
}

impl Connection {
    fn new(channel: Channel) -> Self {
        Self { channel, unsent: Vec::new(), owed: 0, place: 0, request: Vec::new(), interest: EventFlags::IN }
    }

    /// Says whether the connection stays.
    fn advance(&mut self, service: &Service, buffer: &mut [u8]) -> std::io::Result<bool> {
        self.channel.flush()?;
        let unsent = std::mem::take(&mut self.unsent);
        self.send(&unsent)?;
        self.pay()?;
        while self.unsent.is_empty() && self.owed == 0 {
            let Some(count) = self.channel.read(buffer)? else { break };
            if count == 0 {
                return Ok(false);
            }
            self.answer(service, &buffer[..count])?;
            if !self.channel.may_have_more(count, buffer.len()) {
                break;
            }
        }
        Ok(true)
    }

    fn answer(&mut self, service: &Service, bytes: &[u8]) -> std::io::Result<()> {
        match service {
            Service::Echo => self.send(bytes),
            Service::Up => {
                self.place += bytes.len();
                let blocks = self.place / BLOCK;
                self.place %= BLOCK;
                self.send(&vec![b'.'; blocks])
            }
            Service::Down => {
                self.owed += bytes.len() * BLOCK;
                self.pay()
            }
            Service::Http(answer) => {
                self.request.extend_from_slice(bytes);
                while let Some(end) = end_of_header(&self.request) {
                    self.request.drain(..end);
                    self.send(answer)?;
                }
                Ok(())
            }
        }
    }

    fn send(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let mut remaining = bytes;
        while self.unsent.is_empty() && !remaining.is_empty() {
            let count = self.channel.write(remaining)?;
            remaining = &remaining[count..];
            if self.channel.waits_to_write() {
                break;
            }
        }
        self.unsent.extend_from_slice(remaining);
        Ok(())
    }

    /// Sends what is owed of the pattern, as far as it is taken.
    fn pay(&mut self) -> std::io::Result<()> {
        while self.owed > 0 {
            let count = self.channel.write(&PIECES[self.place..][..WRITE_SIZE.min(self.owed)])?;
            self.place = (self.place + count) % PATTERN.len();
            self.owed -= count;
            if self.channel.waits_to_write() {
                break;
            }
        }
        Ok(())
    }

    fn watch(&mut self, epoll: &OwnedFd, data: EventData) -> Result<()> {
        // Who doesn't take its answers isn't read from.
        let is_stuck = !self.unsent.is_empty() || self.owed > 0;
        let interest = match (is_stuck, self.channel.waits_to_write()) {
            (true, _) => EventFlags::OUT,
            (false, true) => EventFlags::IN | EventFlags::OUT,
            (false, false) => EventFlags::IN,
        };
        if interest != self.interest {
            epoll::modify(epoll, self.channel.socket(), data, interest)?;
            self.interest = interest;
        }
        Ok(())
    }
}
