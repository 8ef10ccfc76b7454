//! Several producers and consumers share one queue that has room for few items.
//!
//!     cargo run --release --example producers_consumers -- --producers 2 --consumers 3 --items 6 --room 2
//!
//! Four things are worth seeing in what it prints:
//!
//! - Back-pressure: once the queue is full, `put` waits, so that producers that are too fast go no faster than the
//!   consumers.
//! - A consumer takes an item as soon as there is one. Until then `get` waits.
//! - `join` waits until every item has been dealt with, by `task_done`, which is later than when the queue is empty.
//! - A consumer's loop has no end of its own: it ends when the queue is shut down.

use std::cell::Cell;
use std::io;
use std::rc::Rc;
use std::time::Duration;

use clap::Parser;
use ioxide::sync::{Queue, ShutDown};
use ioxide::{Task, TaskGroup, sleep};

/// Run producers and consumers on one queue.
#[derive(Clone, Debug, Parser)]
#[command(name = "producers_consumers")]
struct Options {
    /// How many produce
    #[arg(long, default_value_t = 2)]
    producers: u32,
    /// How many consume
    #[arg(long, default_value_t = 3)]
    consumers: u32,
    /// Items of each producer
    #[arg(long, default_value_t = 6)]
    items: u32,
    /// Items that the queue has room for; 0 for any number
    #[arg(long, default_value_t = 2)]
    room: usize,
}

const TO_PRODUCE: Duration = Duration::from_millis(10);
const TO_CONSUME: Duration = Duration::from_millis(40);

/// What goes through the queue: whose item it is, and which.
type Item = (u32, u32);

/// What producers and consumers share.
struct Factory {
    queue: Queue<Item>,
    most_in_queue: Cell<usize>,
    consumed: Cell<u32>,
}

async fn produce(factory: Rc<Factory>, producer: u32, items: u32) -> Result<(), ShutDown<Item>> {
    for number in 1..=items {
        sleep(TO_PRODUCE).await;
        factory.queue.put((producer, number)).await?;
        println!("producer {producer}: put item {number}");
        factory.most_in_queue.set(factory.most_in_queue.get().max(factory.queue.len()));
    }
    Ok(())
}

async fn consume(factory: Rc<Factory>, consumer: u32) -> Result<(), ShutDown<Item>> {
    while let Ok((producer, number)) = factory.queue.get().await {
        sleep(TO_CONSUME).await;
        println!("consumer {consumer}: consumed item {number} of producer {producer}");
        factory.consumed.set(factory.consumed.get() + 1);
        // For every item that was taken out: `join` counts them.
        factory.queue.task_done();
    }
    Ok(())
}

/// Lets all of them work until every item has been dealt with. Should one fail, the group ends the others.
async fn run(factory: &Rc<Factory>, options: &Options) -> Result<(), ShutDown<Item>> {
    TaskGroup::scope(async |group| {
        for consumer in 1..=options.consumers {
            drop(group.spawn(consume(Rc::clone(factory), consumer)));
        }
        let producing: Vec<Task<()>> = (1..=options.producers)
            .map(|producer| group.spawn(produce(Rc::clone(factory), producer, options.items)))
            .collect();
        ioxide::gather(producing).await;
        factory.queue.join().await;
        factory.queue.shutdown();
        Ok(())
    })
    .await
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let factory = Rc::new(Factory {
        queue: Queue::bounded(options.room),
        most_in_queue: Cell::default(),
        consumed: Cell::default(),
    });
    ioxide::run(run(&factory, &options))?.map_err(|_| io::Error::other("the queue was shut down too early"))?;
    println!("{} items consumed, at most {} in the queue", factory.consumed.get(), factory.most_in_queue.get());
    Ok(())
}
