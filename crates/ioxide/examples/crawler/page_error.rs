//! Why a page can't be used.

use std::fmt;
use std::io;

/// The cause, by which failures are counted, and what else is known.
#[derive(Clone, Debug)]
pub struct PageError {
    pub cause: String,
    detail: String,
    /// Another try may succeed.
    pub may_pass: bool,
}

impl PageError {
    pub fn new(cause: &str, detail: impl Into<String>) -> Self {
        Self { cause: cause.to_owned(), detail: detail.into(), may_pass: false }
    }

    fn passing(cause: &str, detail: impl Into<String>) -> Self {
        Self { may_pass: true, ..Self::new(cause, detail) }
    }

    pub fn status(status: u16) -> Self {
        let may_pass = matches!(status, 408 | 425 | 429 | 500 | 502..=504);
        Self { may_pass, ..Self::new(&format!("status {status}"), "") }
    }

    pub fn timed_out() -> Self {
        Self::passing("timed out", "")
    }

    pub fn connecting(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::ConnectionRefused => Self::passing("connection refused", ""),
            io::ErrorKind::NotFound => Self::new("host not found", error.to_string()),
            _ => Self::passing("cannot connect", error.to_string()),
        }
    }

    pub fn encrypting(error: &io::Error) -> Self {
        Self::new("TLS failed", error.to_string())
    }

    pub fn speaking(error: &hyper::Error) -> Self {
        if error.is_parse() {
            Self::new("bad response", error.to_string())
        } else {
            Self::passing("connection closed early", error.to_string())
        }
    }

    /// The same error, which came up on another's account.
    pub fn on_account_of(&self, whose: &str) -> Self {
        Self { detail: whose.to_owned(), ..self.clone() }
    }
}

impl fmt::Display for PageError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.detail[..] {
            "" => formatter.write_str(&self.cause),
            detail => write!(formatter, "{} ({detail})", self.cause),
        }
    }
}
