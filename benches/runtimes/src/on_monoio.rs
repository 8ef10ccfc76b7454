//! monoio: its own tasks, with `local-sync`'s channels and, for it has no lock, its semaphores with one permit.
//!
//! Its tasks can't be woken from another thread unless that is asked for; those of the others can. A task that wakes
//! itself runs again before those that were ready, so that none can let the others run.

use std::cell::Cell;

use local_sync::mpsc::bounded::channel;
use local_sync::semaphore::Semaphore;
use monoio::io::{AsyncReadRentExt, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{FusionDriver, FusionRuntime, RuntimeBuilder, spawn};

use super::{COUNT, MESSAGE, Runtime, TASKS};

pub struct Monoio(Inner);

type Inner = FusionRuntime<monoio::IoUringDriver, monoio::LegacyDriver>;

impl Runtime for Monoio {
    const NAME: &str = "monoio";

    fn new() -> Self {
        Self(RuntimeBuilder::<FusionDriver>::new().build().expect("the kernel has what it takes"))
    }

    fn spawn(&mut self) -> usize {
        self.run(async {
            let tasks: Vec<_> = (0..COUNT).map(|number| spawn(async move { number })).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            sum
        })
    }

    fn queue_alone(&mut self) -> usize {
        self.run(async {
            let (sender, mut receiver) = channel(16);
            let mut sum = 0;
            for number in 0..COUNT {
                let _ = sender.send(number).await;
                sum += receiver.recv().await.unwrap_or(0);
            }
            sum
        })
    }

    fn queue_stream(&mut self) -> usize {
        self.run(async {
            let (sender, mut receiver) = channel(16);
            let producer = spawn(async move {
                for number in 0..COUNT {
                    let _ = sender.send(number).await;
                }
            });
            let mut sum = 0;
            for _ in 0..COUNT {
                sum += receiver.recv().await.unwrap_or(0);
            }
            producer.await;
            sum
        })
    }

    fn queue_ping_pong(&mut self) -> usize {
        self.run(async {
            let (there, mut arrives) = channel(1);
            let (back, mut returns) = channel(1);
            let other = spawn(async move {
                for _ in 0..COUNT {
                    let _ = back.send(arrives.recv().await.unwrap_or(0)).await;
                }
            });
            let mut sum = 0;
            for number in 0..COUNT {
                let _ = there.send(number).await;
                sum += returns.recv().await.unwrap_or(0);
            }
            other.await;
            sum
        })
    }

    fn lock_alone(&mut self) -> usize {
        self.run(async {
            let lock = (Semaphore::new(1), Cell::new(0));
            for _ in 0..COUNT {
                let _permit = lock.0.acquire().await;
                lock.1.set(lock.1.get() + 1);
            }
            lock.1.get()
        })
    }

    fn echo(&mut self) -> usize {
        self.run(async {
            let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
            let mut tasks = Vec::new();
            for _ in 0..TASKS {
                let asking = TcpStream::connect(listener.local_addr()?).await?;
                let (answering, _) = listener.accept().await?;
                drop(spawn(answer(answering)));
                tasks.push(spawn(ask(asking)));
            }
            let mut sum = 0;
            for task in tasks {
                sum += task.await?;
            }
            Ok::<_, std::io::Error>(sum)
        })
        .expect("loopback works")
    }
}

/// Its reads and writes take the buffer, and give it back.
async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut message = vec![0; MESSAGE];
    loop {
        let (read, filled) = stream.read_exact(message).await;
        if read.is_err() {
            return Ok(());
        }
        let (written, buffer) = stream.write_all(filled).await;
        written?;
        message = buffer;
    }
}

async fn ask(mut stream: TcpStream) -> std::io::Result<usize> {
    stream.set_nodelay(true)?;
    let mut message = vec![1; MESSAGE];
    for _ in 0..COUNT / TASKS {
        let (written, buffer) = stream.write_all(message).await;
        written?;
        let (read, filled) = stream.read_exact(buffer).await;
        read?;
        message = filled;
    }
    Ok(message.iter().copied().map(usize::from).sum())
}

impl Monoio {
    fn run<F: Future>(&mut self, main: F) -> F::Output {
        self.0.block_on(main)
    }
}
