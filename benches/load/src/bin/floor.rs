//! The plain epoll server that the benchmarks compare loops with. Prints where it listens, and serves until it is ended.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use ioxide_load::address::{Address, Protocol, name_of};
use ioxide_load::floor::{Service, http_answer, serve};
use ioxide_load::{process, tls};
use lexopt::{Arg, ValueExt as _};

const USAGE: &str = "\
floor [OPTIONS] [ADDRESS]

ADDRESS is an IP address and a port, or the path of a Unix socket; 127.0.0.1:0 unless given.
Prints one line for each address that it listens on.

--protocol PROTOCOL  tcp, tls, udp or unix; tcp unless given
--mode MODE          echo, up, down or http, as `load` has them; echo unless given
--body BYTES         length of what http answers; 13 unless given
--listeners N        listens on so many ports; 1 unless given
--certificate FILE   for tls, in PEM
--key FILE           for tls, in PEM";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("floor: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    process::allow_many_descriptors()?;
    let mut place = String::from("127.0.0.1:0");
    let mut protocol = Protocol::Tcp;
    let mut mode = String::from("echo");
    let (mut body, mut listeners) = (13, 1);
    let (mut certificate, mut key) = (PathBuf::new(), PathBuf::new());
    let mut arguments = lexopt::Parser::from_env();
    while let Some(argument) = arguments.next()? {
        match argument {
            Arg::Value(value) => place = value.string()?,
            Arg::Long("help") => {
                println!("{USAGE}");
                return Ok(());
            }
            Arg::Long("protocol") => protocol = arguments.value()?.parse()?,
            Arg::Long("mode") => mode = arguments.value()?.string()?,
            Arg::Long("body") => body = arguments.value()?.parse()?,
            Arg::Long("listeners") => listeners = arguments.value()?.parse()?,
            Arg::Long("certificate") => certificate = arguments.value()?.into(),
            Arg::Long("key") => key = arguments.value()?.into(),
            other => return Err(other.unexpected().into()),
        }
    }
    let service = match mode.as_str() {
        "echo" => Service::Echo,
        "up" => Service::Up,
        "down" => Service::Down,
        "http" => Service::Http(http_answer(body)),
        _ => bail!("unknown mode: {mode}"),
    };
    let tls = (protocol == Protocol::Tls).then(|| tls::server(&certificate, &key)).transpose()?;
    let address = Address::parse(protocol, &place)?;
    let sockets = (0..listeners).map(|_| address.listen()).collect::<Result<Vec<_>>>()?;
    for socket in &sockets {
        println!("{}", name_of(socket).context("cannot tell where it listens")?);
    }
    serve(&sockets, protocol, tls.as_ref(), &service)
}
