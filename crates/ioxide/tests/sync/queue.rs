//! Queues: order, bounds, joining, shutting down, and code that comes back.

use std::cell::{Cell, RefCell};
use std::cmp::Ordering;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Wake, Waker};

use ioxide::sync::{GetNowaitError, LifoQueue, PriorityQueue, PutNowaitError, Queue, ShutDown};
use ioxide::{run, spawn};
use proptest::prelude::*;

use crate::by_hand::{ByHand, by_hand};

#[test]
fn items_come_out_in_the_order_of_the_kind() {
    let (fifo, lifo, priority) = (Queue::new(), LifoQueue::new(), PriorityQueue::new());
    for item in [2, 3, 1] {
        fifo.put_nowait(item).unwrap();
        lifo.put_nowait(item).unwrap();
        priority.put_nowait(item).unwrap();
    }
    let three = |mut get: Box<dyn FnMut() -> i32>| [get(), get(), get()];
    assert_eq!(three(Box::new(move || fifo.get_nowait().unwrap())), [2, 3, 1]);
    assert_eq!(three(Box::new(move || lifo.get_nowait().unwrap())), [1, 3, 2]);
    assert_eq!(three(Box::new(move || priority.get_nowait().unwrap())), [1, 2, 3]);
}

#[test]
fn what_is_promised_to_one_who_was_woken_is_not_given_to_another() {
    let queue = Queue::bounded(1);
    let getter = by_hand(queue.get()).assert_pending();
    queue.put_nowait(1).unwrap();
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::Empty));
    let putter = by_hand(queue.put(2)).assert_pending();
    assert_eq!(getter.assert_ready(), Ok(1));
    assert_eq!(queue.put_nowait(3), Err(PutNowaitError::Full(3)));
    assert_eq!(putter.assert_ready(), Ok(()));
    assert_eq!(queue.get_nowait(), Ok(2));
}

#[test]
fn who_comes_later_does_not_overtake_who_was_woken() {
    let queue = Queue::bounded(2);
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    let waited = by_hand(queue.put(3)).assert_pending();
    queue.get_nowait().unwrap();
    queue.get_nowait().unwrap();
    // There is a place for the later one, too, but it is woken behind the earlier one.
    let later = by_hand(queue.put(4)).assert_pending();
    assert!(waited.is_woken() && later.is_woken());
    assert_eq!(waited.assert_ready(), Ok(()));
    assert_eq!(later.assert_ready(), Ok(()));
    assert_eq!((queue.get_nowait(), queue.get_nowait()), (Ok(3), Ok(4)));
}

#[test]
fn join_waits_for_the_work_on_all_items() {
    let queue = Queue::new();
    queue.put_nowait(1).unwrap();
    queue.put_nowait(2).unwrap();
    let mut join = by_hand(queue.join()).assert_pending();
    queue.task_done();
    assert!(join.poll().is_pending());
    queue.task_done();
    assert!(join.poll().is_ready());
}

#[test]
#[should_panic(expected = "more often than items were put")]
fn too_many_task_dones_are_noticed() {
    Queue::<i32>::new().task_done();
}

#[test]
fn a_queue_that_is_shut_down_gives_what_it_has_and_refuses_the_rest() {
    let queue = Queue::bounded(1);
    queue.put_nowait(1).unwrap();
    let putter = by_hand(queue.put(2)).assert_pending();
    queue.shutdown();
    assert_eq!(putter.assert_ready(), Err(ShutDown(2)));
    assert_eq!(queue.put_nowait(3), Err(PutNowaitError::ShutDown(3)));
    assert_eq!(by_hand(queue.put(4)).assert_ready(), Err(ShutDown(4)));
    assert_eq!(by_hand(queue.get()).assert_ready(), Ok(1));
    assert_eq!(by_hand(queue.get()).assert_ready(), Err(ShutDown(())));
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::ShutDown));
}

#[test]
fn who_waits_for_an_item_is_told_of_the_shutdown() {
    let queue = Queue::<i32>::new();
    let (granted, waiting) = (by_hand(queue.get()).assert_pending(), by_hand(queue.get()).assert_pending());
    queue.put_nowait(1).unwrap();
    queue.shutdown();
    assert_eq!(waiting.assert_ready(), Err(ShutDown(())));
    assert_eq!(granted.assert_ready(), Ok(1));
}

#[test]
fn an_item_that_is_given_up_after_the_shutdown_goes_to_another_who_waited() {
    let queue = Queue::new();
    let (granted, waiting) = (by_hand(queue.get()).assert_pending(), by_hand(queue.get()).assert_pending());
    queue.put_nowait(1).unwrap();
    queue.shutdown();
    drop(granted);
    assert_eq!(waiting.assert_ready(), Ok(1));
    assert_eq!(queue.get_nowait(), Err(GetNowaitError::ShutDown));
}

#[test]
fn a_put_that_was_woken_before_the_shutdown_is_refused() {
    let queue = Queue::bounded(1);
    queue.put_nowait(1).unwrap();
    let putter = by_hand(queue.put(2)).assert_pending();
    queue.get_nowait().unwrap();
    queue.shutdown();
    assert_eq!(putter.assert_ready(), Err(ShutDown(2)));
    assert!(queue.is_empty());
}

#[test]
fn a_shutdown_at_once_drops_the_items_and_their_work() {
    let item = Rc::new(());
    let queue = Queue::new();
    let granted = by_hand(queue.get()).assert_pending();
    queue.put_nowait(Rc::clone(&item)).unwrap();
    queue.put_nowait(Rc::clone(&item)).unwrap();
    let join = by_hand(queue.join()).assert_pending();
    queue.shutdown_now();
    assert_eq!(Rc::strong_count(&item), 1);
    assert_eq!(granted.assert_ready(), Err(ShutDown(())));
    join.assert_ready();
}

#[test]
fn many_producers_and_consumers_lose_nothing() {
    let mut received = run(async {
        let queue = Rc::new(Queue::bounded(3));
        let received = Rc::new(RefCell::new(Vec::new()));
        for _ in 0..4 {
            let (queue, received) = (Rc::clone(&queue), Rc::clone(&received));
            drop(spawn(async move {
                while let Ok(item) = queue.get().await {
                    received.borrow_mut().push(item);
                    queue.task_done();
                }
            }));
        }
        let producers: Vec<_> = (0..4)
            .map(|producer| {
                let queue = Rc::clone(&queue);
                spawn(async move {
                    for number in 0..25 {
                        queue.put(producer * 25 + number).await.unwrap();
                    }
                })
            })
            .collect();
        for producer in producers {
            producer.await.unwrap();
        }
        queue.join().await;
        received.take()
    })
    .unwrap();
    received.sort_unstable();
    assert_eq!(received, (0..100).collect::<Vec<_>>());
}

thread_local! {
    static QUEUE: Rc<Queue<u32>> = Rc::new(Queue::bounded(2));
    /// The queue, and the next number that a comparison puts.
    static COMPARED: (Rc<PriorityQueue<ComesBack>>, Cell<Option<u32>>) = (Rc::default(), Cell::new(Some(10)));
}

/// Uses the queue as it is woken.
struct WakesAndComesBack;

impl Wake for WakesAndComesBack {
    fn wake(self: Arc<Self>) {
        QUEUE.with(|queue| {
            let _ = queue.get_nowait();
            let _ = queue.put_nowait(9);
            let _ = by_hand(queue.get()).poll();
        });
    }
}

#[test]
fn a_waker_may_use_the_queue() {
    let queue = QUEUE.with(Rc::clone);
    let mut getter = by_hand(queue.get());
    assert!(getter.poll_with(&Waker::from(Arc::new(WakesAndComesBack))).is_pending());
    queue.put_nowait(1).unwrap();
    assert_eq!(getter.assert_ready(), Ok(1));
    assert_eq!(queue.get_nowait(), Ok(9));
}

/// Uses the queue as it is compared.
#[derive(Debug, PartialEq, Eq)]
struct ComesBack(u32);

impl Ord for ComesBack {
    fn cmp(&self, other: &Self) -> Ordering {
        COMPARED.with(|(queue, extra)| {
            if let Some(number) = extra.take() {
                let in_between = queue.get_nowait();
                queue.put_nowait(Self(number)).unwrap();
                extra.set((number < 12).then_some(number + 1));
                if let Ok(item) = in_between {
                    queue.put_nowait(item).unwrap();
                }
            }
        });
        self.0.cmp(&other.0)
    }
}

impl PartialOrd for ComesBack {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[test]
fn a_comparison_may_use_the_queue() {
    let queue = COMPARED.with(|(queue, _)| Rc::clone(queue));
    for number in [3, 1, 2] {
        queue.put_nowait(ComesBack(number)).unwrap();
    }
    let mut items = Vec::new();
    while let Ok(item) = queue.get_nowait() {
        items.push(item.0);
    }
    items.sort_unstable();
    assert_eq!(items, [1, 2, 3, 10, 11, 12]);
}

/// A step of the model below. Numbers choose among those who wait.
#[derive(Clone, Copy, Debug)]
enum Step {
    Put,
    Get,
    PutNowait,
    GetNowait,
    PollPutter(usize),
    PollGetter(usize),
    CancelPutter(usize),
    CancelGetter(usize),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        Just(Step::Put),
        Just(Step::Get),
        Just(Step::PutNowait),
        Just(Step::GetNowait),
        any::<usize>().prop_map(Step::PollPutter),
        any::<usize>().prop_map(Step::PollGetter),
        any::<usize>().prop_map(Step::CancelPutter),
        any::<usize>().prop_map(Step::CancelGetter),
    ]
}

type Putter<'a> = ByHand<'a, Result<(), ShutDown<u32>>>;

struct Model<'a> {
    queue: &'a Queue<u32>,
    next: u32,
    putters: Vec<(u32, Putter<'a>)>,
    getters: Vec<ByHand<'a, Result<u32, ShutDown>>>,
    /// What the queue holds.
    expected: std::collections::VecDeque<u32>,
}

impl Model<'_> {
    fn take(&mut self, step: Step) {
        match step {
            Step::Put => {
                self.next += 1;
                self.putters.push((self.next, by_hand(self.queue.put(self.next))));
                self.poll_putter(self.putters.len() - 1);
            }
            Step::Get => {
                self.getters.push(by_hand(self.queue.get()));
                self.poll_getter(self.getters.len() - 1);
            }
            Step::PutNowait => {
                self.next += 1;
                if self.queue.put_nowait(self.next).is_ok() {
                    self.expected.push_back(self.next);
                }
            }
            Step::GetNowait => {
                if let Ok(item) = self.queue.get_nowait() {
                    assert_eq!(Some(item), self.expected.pop_front());
                }
            }
            Step::PollPutter(index) if !self.putters.is_empty() => self.poll_putter(index % self.putters.len()),
            Step::PollGetter(index) if !self.getters.is_empty() => self.poll_getter(index % self.getters.len()),
            Step::CancelPutter(index) if !self.putters.is_empty() => {
                drop(self.putters.remove(index % self.putters.len()));
            }
            Step::CancelGetter(index) if !self.getters.is_empty() => {
                drop(self.getters.remove(index % self.getters.len()));
            }
            _ => {}
        }
    }

    fn poll_putter(&mut self, index: usize) {
        if let Poll::Ready(result) = self.putters[index].1.poll() {
            assert_eq!(result, Ok(()));
            self.expected.push_back(self.putters.remove(index).0);
        }
    }

    fn poll_getter(&mut self, index: usize) {
        if let Poll::Ready(item) = self.getters[index].poll() {
            assert_eq!(item.ok(), self.expected.pop_front());
            drop(self.getters.remove(index));
        }
    }

    /// Nobody sleeps over something that is free, and whoever was woken is in time.
    fn check(&self) {
        assert!(self.queue.len() <= self.queue.maxsize());
        assert_eq!(self.queue.len(), self.expected.len());
        let woken_getters = self.getters.iter().filter(|getter| getter.is_woken()).count();
        let woken_putters = self.putters.iter().filter(|(_, putter)| putter.is_woken()).count();
        let free = self.queue.maxsize() - self.queue.len();
        assert!(woken_getters == self.getters.len() || woken_getters >= self.queue.len());
        assert!(woken_putters == self.putters.len() || woken_putters >= free);
        assert!(woken_getters <= self.queue.len() && woken_putters <= free);
    }
}

proptest! {
    #[test]
    fn nothing_is_lost_given_twice_or_slept_over(maxsize in 1usize..4, steps in prop::collection::vec(step(), 0..60)) {
        let queue = Queue::bounded(maxsize);
        let mut model = Model { queue: &queue, next: 0, putters: vec![], getters: vec![], expected: [].into() };
        for step in steps {
            model.take(step);
            model.check();
        }
    }
}
