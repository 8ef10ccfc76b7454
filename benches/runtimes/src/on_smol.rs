//! smol: its `LocalExecutor`, on its own `block_on`, and its own channels and locks.
//!
//! Its lock lets who comes overtake who waits, for half a millisecond; those of the others are fair.

use std::rc::Rc;

use smol::channel::bounded;
use smol::io::{AsyncReadExt, AsyncWriteExt};
use smol::lock::Mutex;
use smol::net::{TcpListener, TcpStream};
use smol::{LocalExecutor, Task};

use super::{COUNT, MESSAGE, Runtime, TASKS, TakesTurns};

pub struct Smol;

thread_local! {
    static EXECUTOR: LocalExecutor<'static> = const { LocalExecutor::new() };
}

fn spawn<T: 'static>(future: impl Future<Output = T> + 'static) -> Task<T> {
    EXECUTOR.with(|executor| executor.spawn(future))
}

impl Runtime for Smol {
    const NAME: &str = "smol";

    fn new() -> Self {
        Self
    }

    fn spawn(&mut self) -> usize {
        run(async {
            let tasks: Vec<_> = (0..COUNT).map(|number| spawn(async move { number })).collect();
            let mut sum = 0;
            for task in tasks {
                sum += task.await;
            }
            sum
        })
    }

    fn queue_alone(&mut self) -> usize {
        run(async {
            let (sender, receiver) = bounded(16);
            let mut sum = 0;
            for number in 0..COUNT {
                let _ = sender.send(number).await;
                sum += receiver.recv().await.unwrap_or(0);
            }
            sum
        })
    }

    fn queue_stream(&mut self) -> usize {
        run(async {
            let (sender, receiver) = bounded(16);
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
        run(async {
            let (there, arrives) = bounded(1);
            let (back, returns) = bounded(1);
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
        run(async {
            let lock = Mutex::new(0);
            for _ in 0..COUNT {
                *lock.lock().await += 1;
            }
            lock.into_inner()
        })
    }

    fn echo(&mut self) -> usize {
        run(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
            let mut tasks = Vec::new();
            for _ in 0..TASKS {
                let asking = TcpStream::connect(listener.local_addr()?).await?;
                let (answering, _) = listener.accept().await?;
                spawn(answer(answering)).detach();
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

impl TakesTurns for Smol {
    fn yield_now(&mut self) {
        run(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    spawn(async {
                        for _ in 0..COUNT / TASKS {
                            smol::future::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
        });
    }

    fn lock_contended(&mut self) -> usize {
        run(async {
            let lock = Rc::new(Mutex::new(0));
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let lock = Rc::clone(&lock);
                    spawn(async move {
                        for _ in 0..COUNT / TASKS {
                            let mut guard = lock.lock().await;
                            *guard += 1;
                            smol::future::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await;
            }
            *lock.lock().await
        })
    }
}

fn run<F: Future>(main: F) -> F::Output {
    EXECUTOR.with(|executor| smol::block_on(executor.run(main)))
}
