//! tokio: its current-thread runtime, whose tasks are `Send`, and its own channels and locks.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Builder;
use tokio::spawn;
use tokio::sync::Mutex;
use tokio::sync::mpsc::channel;

use super::{COUNT, MESSAGE, Runtime, TASKS, TakesTurns};

pub struct Tokio(tokio::runtime::Runtime);

impl Runtime for Tokio {
    const NAME: &str = "tokio";

    fn new() -> Self {
        Self(Builder::new_current_thread().enable_io().build().expect("the kernel has a descriptor left"))
    }

    fn spawn(&mut self) -> usize {
        self.run(async {
            let tasks: Vec<_> = (0..COUNT).map(|number| spawn(async move { number })).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await.unwrap_or(0);
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
            producer.await.unwrap_or(());
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
            other.await.unwrap_or(());
            sum
        })
    }

    fn lock_alone(&mut self) -> usize {
        self.run(async {
            let lock = Mutex::new(0);
            for _ in 0..COUNT {
                *lock.lock().await += 1;
            }
            lock.into_inner()
        })
    }

    fn echo(&mut self) -> usize {
        self.run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let mut tasks = Vec::new();
            for _ in 0..TASKS {
                let asking = TcpStream::connect(listener.local_addr()?).await?;
                let (answering, _) = listener.accept().await?;
                drop(spawn(answer(answering)));
                tasks.push(spawn(ask(asking)));
            }
            let mut sum = 0;
            for task in tasks {
                sum += task.await.expect("nobody cancels it")?;
            }
            Ok::<_, std::io::Error>(sum)
        })
        .expect("loopback works")
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut message = [0; MESSAGE];
    while stream.read_exact(&mut message).await.is_ok() {
        stream.write_all(&message).await?;
    }
    Ok(())
}

async fn ask(mut stream: TcpStream) -> std::io::Result<usize> {
    stream.set_nodelay(true)?;
    let mut message = [1; MESSAGE];
    for _ in 0..COUNT / TASKS {
        stream.write_all(&message).await?;
        stream.read_exact(&mut message).await?;
    }
    Ok(message.iter().copied().map(usize::from).sum())
}

impl TakesTurns for Tokio {
    fn yield_now(&mut self) {
        self.run(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    spawn(async {
                        for _ in 0..COUNT / TASKS {
                            tokio::task::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap_or(());
            }
        });
    }

    fn lock_contended(&mut self) -> usize {
        self.run(async {
            let lock = Arc::new(Mutex::new(0));
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let lock = Arc::clone(&lock);
                    spawn(async move {
                        for _ in 0..COUNT / TASKS {
                            let mut guard = lock.lock().await;
                            *guard += 1;
                            tokio::task::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap_or(());
            }
            *lock.lock().await
        })
    }
}

impl Tokio {
    fn run<F: Future>(&self, main: F) -> F::Output {
        self.0.block_on(main)
    }
}
