//! ioxide: its own tasks, queues and locks.

use std::rc::Rc;

use ioxide::net::{TcpListener, TcpStream};
use ioxide::sync::{Lock, Queue};
use ioxide::{EventLoop, spawn};

use super::{COUNT, MESSAGE, Runtime, TASKS, TakesTurns};

pub struct Ioxide(EventLoop);

impl Runtime for Ioxide {
    const NAME: &str = "ioxide";

    fn new() -> Self {
        Self(EventLoop::new().expect("the kernel has a descriptor left"))
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
            let queue = Queue::bounded(16);
            let mut sum = 0;
            for number in 0..COUNT {
                let _ = queue.put(number).await;
                sum += queue.get().await.unwrap_or(0);
            }
            sum
        })
    }

    fn queue_stream(&mut self) -> usize {
        self.run(async {
            let queue = Rc::new(Queue::bounded(16));
            let producer = spawn({
                let queue = Rc::clone(&queue);
                async move {
                    for number in 0..COUNT {
                        let _ = queue.put(number).await;
                    }
                }
            });
            let mut sum = 0;
            for _ in 0..COUNT {
                sum += queue.get().await.unwrap_or(0);
            }
            producer.await.unwrap_or(());
            sum
        })
    }

    fn queue_ping_pong(&mut self) -> usize {
        self.run(async {
            let (there, back) = (Rc::new(Queue::bounded(1)), Rc::new(Queue::bounded(1)));
            let other = spawn({
                let (there, back) = (Rc::clone(&there), Rc::clone(&back));
                async move {
                    for _ in 0..COUNT {
                        let _ = back.put(there.get().await.unwrap_or(0)).await;
                    }
                }
            });
            let mut sum = 0;
            for number in 0..COUNT {
                let _ = there.put(number).await;
                sum += back.get().await.unwrap_or(0);
            }
            other.await.unwrap_or(());
            sum
        })
    }

    fn lock_alone(&mut self) -> usize {
        self.run(async {
            let lock = Lock::new(0);
            for _ in 0..COUNT {
                *lock.acquire().await += 1;
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

async fn answer(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut message = [0; MESSAGE];
    while stream.read_exact(&mut message).await.is_ok() {
        stream.write_all(&message).await?;
    }
    Ok(())
}

async fn ask(stream: TcpStream) -> std::io::Result<usize> {
    stream.set_nodelay(true)?;
    let mut message = [1; MESSAGE];
    for _ in 0..COUNT / TASKS {
        stream.write_all(&message).await?;
        stream.read_exact(&mut message).await?;
    }
    Ok(message.iter().copied().map(usize::from).sum())
}

impl TakesTurns for Ioxide {
    fn yield_now(&mut self) {
        self.run(async {
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    spawn(async {
                        for _ in 0..COUNT / TASKS {
                            ioxide::yield_now().await;
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
            let lock = Rc::new(Lock::new(0));
            let tasks: Vec<_> = (0..TASKS)
                .map(|_| {
                    let lock = Rc::clone(&lock);
                    spawn(async move {
                        for _ in 0..COUNT / TASKS {
                            let mut guard = lock.acquire().await;
                            *guard += 1;
                            ioxide::yield_now().await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap_or(());
            }
            *lock.acquire().await
        })
    }
}

impl Ioxide {
    fn run<F: Future>(&self, main: F) -> F::Output {
        self.0.run(main).expect("a loop that isn't running can run")
    }
}
