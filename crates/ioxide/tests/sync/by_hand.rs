//! Futures that a test polls, wakes and drops at the moment that it chooses.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

/// A future in the hands of a test.
pub struct ByHand<'a, T> {
    future: Pin<Box<dyn Future<Output = T> + 'a>>,
    wake_ups: Arc<WakeUps>,
}

#[derive(Default)]
struct WakeUps(AtomicUsize);

impl Wake for WakeUps {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

pub fn by_hand<'a, T>(future: impl Future<Output = T> + 'a) -> ByHand<'a, T> {
    ByHand { future: Box::pin(future), wake_ups: Arc::default() }
}

impl<T> ByHand<'_, T> {
    pub fn poll(&mut self) -> Poll<T> {
        self.poll_with(&Waker::from(Arc::clone(&self.wake_ups)))
    }

    pub fn poll_with(&mut self, waker: &Waker) -> Poll<T> {
        self.future.as_mut().poll(&mut Context::from_waker(waker))
    }

    pub fn is_woken(&self) -> bool {
        self.wake_ups.0.load(Ordering::Relaxed) > 0
    }

    /// No waker of the test's is kept by what was waited for.
    pub fn is_forgotten(&self) -> bool {
        Arc::strong_count(&self.wake_ups) == 1
    }

    #[track_caller]
    pub fn assert_pending(mut self) -> Self {
        assert!(self.poll().is_pending());
        self
    }

    #[track_caller]
    pub fn assert_ready(mut self) -> T {
        match self.poll() {
            Poll::Ready(output) => output,
            Poll::Pending => panic!("the future isn't ready"),
        }
    }
}
