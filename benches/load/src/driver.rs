//! One run of the load generator: the connections, the stages they go through together, and waiting for sockets.

use std::cell::OnceCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustls::{ClientConfig, ClientConnection};

use crate::address::{Address, Protocol};
use crate::bulk::{Down, Up};
use crate::channel::Channel;
use crate::conversation::{Conversation, Progress, Stage, Turn};
use crate::echo::{Echo, Visit};
use crate::http::{self, Client, Expected};
use crate::messages::Messages;
use crate::tally::{Report, Tally};
use crate::tls;

/// How many connections may be on their way at once: fewer than any server lets wait to be accepted.
const OPENING_AT_ONCE: usize = 64;

/// How many events one wait takes.
const EVENTS_PER_WAIT: usize = 1024;

/// How much one read takes: a datagram of any length, and no more than stays in the processor's cache.
const READ_SIZE: usize = 64 * 1024;

/// What every connection does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Sends messages, and expects them back.
    Echo,
    /// Connects, has one message echoed, closes, and begins again.
    Accept,
    /// Sends as much as it can.
    Up,
    /// Receives as much as it can.
    Down,
    /// Asks for that path by HTTP.
    Http(String),
}

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The server.
    pub address: Address,
    /// What each connection does.
    pub mode: Mode,
    /// The length of a message.
    pub size: usize,
    /// How many connections there are.
    pub connections: usize,
    /// How many of them are busy. The others only wait.
    pub busy: usize,
    /// How many messages each busy connection has under way; for [`Mode::Down`], how many mebibytes.
    pub in_flight: usize,
    /// How long to run before counting.
    pub warm_up: Duration,
    /// How long to count.
    pub duration: Duration,
    /// How long to wait for anything to happen.
    pub patience: Duration,
    /// The server's process, to tell its cost.
    pub process: Option<u32>,
}

/// Carries out a plan.
///
/// # Errors
/// A message was lost or came back wrong, a connection failed, or nothing happened for too long.
pub fn run(plan: &Plan) -> Result<Report> {
    let mut run = Run::new(plan)?;
    run.open_all()?;
    run.enter(Stage::WarmUp)?;
    run.keep_going(plan.warm_up, 1)?;
    run.tally.begin()?;
    run.stage = Stage::Measuring;
    run.keep_going(plan.duration, 2)?;
    run.tally.end()?;
    run.enter(Stage::Draining)?;
    while run.finished < plan.connections {
        run.wait(plan.patience)?;
    }
    run.tally.report()
}

struct Connection {
    channel: Channel,
    conversation: Box<dyn Conversation>,
    progress: Progress,
    interest: EventFlags,
}

struct Run<'a> {
    plan: &'a Plan,
    epoll: OwnedFd,
    tls: Option<Arc<ClientConfig>>,
    expected: Expected,
    request: Rc<[u8]>,
    messages: Messages,
    tally: Tally,
    stage: Stage,
    connections: Vec<Option<Connection>>,
    opening: usize,
    finished: usize,
    opened_in_all: usize,
    last_event: Instant,
    buffer: Vec<u8>,
    events: Vec<epoll::Event>,
}

impl<'a> Run<'a> {
    fn new(plan: &'a Plan) -> Result<Self> {
        let path = if let Mode::Http(path) = &plan.mode { path } else { "/" };
        Ok(Self {
            plan,
            epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?,
            tls: (plan.address.protocol() == Protocol::Tls).then(tls::client).transpose()?,
            expected: Rc::new(OnceCell::new()),
            request: http::request(path),
            messages: Messages::new(plan.size),
            tally: Tally::new(plan.process),
            stage: Stage::Opening,
            connections: Vec::with_capacity(plan.connections),
            opening: 0,
            finished: 0,
            opened_in_all: 0,
            last_event: Instant::now(),
            buffer: vec![0; READ_SIZE],
            events: Vec::with_capacity(EVENTS_PER_WAIT),
        })
    }

    fn open_all(&mut self) -> Result<()> {
        while self.connections.len() < self.plan.connections || self.opening > 0 {
            while self.connections.len() < self.plan.connections && self.opening < OPENING_AT_ONCE {
                self.connections.push(None);
                self.open(self.connections.len() - 1)?;
            }
            if self.opening > 0 {
                self.wait(self.plan.patience)?;
            }
        }
        Ok(())
    }

    /// Begins a stage: every connection has its turn.
    fn enter(&mut self, stage: Stage) -> Result<()> {
        self.stage = stage;
        (0..self.connections.len()).try_for_each(|index| self.advance(index))
    }

    /// Lets everything run for that long, and until as many messages have been answered as make that many for each
    /// busy connection. Many connections are answered in waves: a shorter time would fall between them.
    fn keep_going(&mut self, duration: Duration, rounds: usize) -> Result<()> {
        let end = Instant::now() + duration;
        let enough = self.tally.messages() + rounds * self.plan.busy;
        loop {
            let remaining = end.saturating_duration_since(Instant::now());
            if !remaining.is_zero() {
                self.wait(remaining)?;
            } else if self.tally.messages() < enough {
                self.wait(self.plan.patience)?;
            } else {
                return Ok(());
            }
        }
    }

    /// Waits for sockets, no longer than that, and gives those that are ready their turn.
    fn wait(&mut self, longest: Duration) -> Result<()> {
        let mut events = std::mem::take(&mut self.events);
        events.clear();
        let timeout = longest.min(self.plan.patience).try_into()?;
        match epoll::wait(&self.epoll, spare_capacity(&mut events), Some(&timeout)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let now = Instant::now();
        if !events.is_empty() {
            self.last_event = now;
        } else if now.duration_since(self.last_event) >= self.plan.patience {
            let waiting = self.connections.iter().flatten().count();
            bail!("nothing came for {:?}: a message was lost; {waiting} connections are open", self.plan.patience);
        }
        for event in &events {
            self.advance(usize::try_from(event.data.u64())?)?;
        }
        self.events = events;
        Ok(())
    }

    fn open(&mut self, index: usize) -> Result<()> {
        let number = self.opened_in_all;
        self.opened_in_all += 1;
        let conversation = self.conversation(index, number);
        let socket = self.plan.address.connect(number)?;
        let tls = self.tls.clone().map(|config| ClientConnection::new(config, tls::server_name())).transpose()?;
        let interest = EventFlags::IN;
        epoll::add(&self.epoll, &socket, EventData::new_u64(index as u64), interest)?;
        let channel = Channel::new(socket, tls.map(Into::into));
        self.connections[index] = Some(Connection { channel, conversation, progress: Progress::Opening, interest });
        self.opening += 1;
        self.advance(index)
    }

    fn close(&mut self, index: usize, progress: Progress) -> Result<()> {
        if let Some(connection) = self.connections[index].take() {
            connection.channel.close();
        }
        if progress == Progress::Over {
            return self.open(index);
        }
        self.finished += 1;
        Ok(())
    }

    fn conversation(&self, index: usize, number: usize) -> Box<dyn Conversation> {
        let plan = self.plan;
        match plan.mode {
            Mode::Echo => Box::new(Echo::new(&self.messages, number, plan.in_flight, index >= plan.busy)),
            Mode::Accept => Box::new(Visit::new(&self.messages, number)),
            Mode::Up => Box::<Up>::default(),
            Mode::Down => Box::new(Down::new(plan.in_flight)),
            Mode::Http(_) => Box::new(Client::new(self.request.clone(), self.expected.clone())),
        }
    }

    fn advance(&mut self, index: usize) -> Result<()> {
        let Some(connection) = &mut self.connections[index] else { return Ok(()) };
        let mut turn = Turn {
            stage: self.stage,
            now: Instant::now(),
            messages: &self.messages,
            tally: &mut self.tally,
            buffer: &mut self.buffer,
        };
        let progress = connection
            .conversation
            .advance(&mut connection.channel, &mut turn)
            .with_context(|| format!("connection {index}, {:?}", self.stage))?;
        if connection.progress == Progress::Opening && progress != Progress::Opening {
            self.opening -= 1;
        }
        connection.progress = progress;
        if matches!(progress, Progress::Over | Progress::Finished) {
            return self.close(index, progress);
        }
        let waits_to_write = connection.channel.waits_to_write();
        let interest = if waits_to_write { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        if interest != connection.interest {
            epoll::modify(&self.epoll, connection.channel.socket(), EventData::new_u64(index as u64), interest)?;
            connection.interest = interest;
        }
        Ok(())
    }
}
