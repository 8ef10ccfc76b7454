//! Drives a server, checks every byte that it answers, and prints what it saw as one line of JSON.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use ioxide_load::address::{Address, Protocol};
use ioxide_load::driver::{Mode, Plan, run};
use ioxide_load::process;
use lexopt::{Arg, ValueExt as _};

const USAGE: &str = "\
load [OPTIONS] ADDRESS

ADDRESS is an IP address and a port, or the path of a Unix socket.

--protocol PROTOCOL  tcp, tls (any certificate will do), udp or unix; tcp unless given
--mode MODE          echo:   every message has to come back as it was sent; each is a line
                     accept: the same, each message on a connection of its own
                     up:     the server answers each mebibyte with a byte
                     down:   the server answers each byte with a mebibyte of the bytes from 0 to 255, repeated
                     http:   GET requests that have to have the same answer every time
                     echo unless given
--size BYTES         length of a message; 64 unless given
--connections N      1 unless given
--busy N             how many of the connections send; the others wait; all of them unless given
--in-flight N        messages (down: mebibytes) under way on each busy connection; 1 unless given
--path PATH          what http asks for; / unless given
--warm-up SECONDS    runs without counting; 0.2 unless given. Goes on until every busy connection had an answer
--duration SECONDS   counts; 1 unless given. Goes on until every busy connection had two answers, on the average
--patience SECONDS   gives up when nothing happens for so long; 10 unless given
--process PID        the server's process, to tell its cost

Ends with exit code 1 when a message was lost or wrong, or a connection failed.";

fn main() -> ExitCode {
    match parse().and_then(|plan| plan.map_or(Ok(USAGE.into()), |plan| run(&plan).map(|report| report.to_string()))) {
        Ok(said) => {
            println!("{said}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Reads the command line; `None` if it asks for help.
fn parse() -> Result<Option<Plan>> {
    process::allow_many_descriptors()?;
    let mut place = None;
    let mut protocol = Protocol::Tcp;
    let mut mode = String::from("echo");
    let mut path = String::from("/");
    let (mut size, mut connections, mut busy, mut in_flight) = (64, 1, None, 1);
    let (mut warm_up, mut duration, mut patience) = (0.2, 1.0, 10.0);
    let mut server = None;
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Value(value) => place = Some(value.string()?),
            Arg::Long("help") => return Ok(None),
            Arg::Long("protocol") => protocol = arguments.value()?.parse()?,
            Arg::Long("mode") => mode = arguments.value()?.string()?,
            Arg::Long("path") => path = arguments.value()?.string()?,
            Arg::Long("size") => size = arguments.value()?.parse()?,
            Arg::Long("connections") => connections = arguments.value()?.parse()?,
            Arg::Long("busy") => busy = Some(arguments.value()?.parse()?),
            Arg::Long("in-flight") => in_flight = arguments.value()?.parse()?,
            Arg::Long("warm-up") => warm_up = arguments.value()?.parse()?,
            Arg::Long("duration") => duration = arguments.value()?.parse()?,
            Arg::Long("patience") => patience = arguments.value()?.parse()?,
            Arg::Long("process") => server = Some(arguments.value()?.parse()?),
            other => return Err(other.unexpected().into()),
        }
    }
    let mode = match mode.as_str() {
        "echo" => Mode::Echo,
        "accept" => Mode::Accept,
        "up" => Mode::Up,
        "down" => Mode::Down,
        "http" => Mode::Http(path),
        _ => bail!("unknown mode: {mode}"),
    };
    ensure!(size > 0 && connections > 0 && in_flight > 0, "--size, --connections and --in-flight are 1 at least");
    ensure!(protocol != Protocol::Udp || mode == Mode::Echo, "datagrams can only be echoed");
    Ok(Some(Plan {
        address: Address::parse(protocol, &place.context("which address?")?)?,
        mode,
        size,
        connections,
        busy: busy.map_or(connections, |busy: usize| busy.min(connections)),
        in_flight,
        warm_up: Duration::try_from_secs_f64(warm_up)?,
        duration: Duration::try_from_secs_f64(duration)?,
        patience: Duration::try_from_secs_f64(patience)?,
        process: server,
    }))
}
