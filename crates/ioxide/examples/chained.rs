//! Chains futures: each step needs the result of the one before it, and yet many chains go on at once.
//!
//!     cargo run --release --example chained -- [CUSTOMER…]
//!
//! A letter to a customer takes three steps, one after another: find the account, fetch its orders, write the letter.
//! Each waits, as if for a network. The letters are written twice: first one after another, then all at once, which
//! takes as long as the longest chain. A customer who isn't known ends its own chain and no other; the exit code is 1
//! then.

use std::fmt;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use ioxide::{gather, sleep};

const STEP: Duration = Duration::from_millis(50);

/// Accounts by name, and what was ordered on each.
const ACCOUNTS: [(&str, u32, &[&str]); 4] = [
    ("Ada", 17, &["engine", "punched cards"]),
    ("Edsger", 4, &["semaphore"]),
    ("Grace", 23, &["compiler", "clock", "moth"]),
    ("Alan", 8, &["tape"]),
];

/// There is no account of this name.
#[derive(Debug)]
struct UnknownCustomer(String);

impl fmt::Display for UnknownCustomer {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "no account for {}", self.0)
    }
}

async fn find_account(customer: &str) -> Result<u32, UnknownCustomer> {
    sleep(2 * STEP).await;
    let account = ACCOUNTS.iter().find(|(name, ..)| *name == customer);
    account.map(|(_, number, _)| *number).ok_or_else(|| UnknownCustomer(customer.to_owned()))
}

/// The more was ordered, the longer it takes.
async fn fetch_orders(account: u32) -> &'static [&'static str] {
    let orders = ACCOUNTS.iter().find(|(_, number, _)| *number == account).map_or([].as_slice(), |(.., orders)| orders);
    for _ in orders {
        sleep(2 * STEP).await;
    }
    orders
}

async fn write_letter(customer: &str, orders: &[&str]) -> String {
    sleep(3 * STEP).await;
    format!("Dear {customer}, your {} will come soon.", orders.join(" and your "))
}

/// The chain: what one step returns is what the next needs. An error ends it there.
async fn letter_to(customer: &str) -> Result<String, UnknownCustomer> {
    let account = find_account(customer).await?;
    let orders = fetch_orders(account).await;
    Ok(write_letter(customer, orders).await)
}

type Letters = Vec<Result<String, UnknownCustomer>>;

/// While one chain waits, nothing else happens.
async fn one_after_another(customers: &[String]) -> Letters {
    let mut letters = Vec::new();
    for customer in customers {
        letters.push(letter_to(customer).await);
    }
    letters
}

/// While one chain waits, the others go on. The letters come in the customers' order all the same.
async fn all_at_once(customers: &[String]) -> Letters {
    gather(customers.iter().map(|customer| letter_to(customer))).await
}

async fn timed(heading: &str, writing: impl Future<Output = Letters>) -> Letters {
    let begun = Instant::now();
    let letters = writing.await;
    println!("{heading}: {} letters in {:.2} seconds", letters.iter().flatten().count(), begun.elapsed().as_secs_f64());
    letters
}

async fn write_all(customers: &[String]) -> ExitCode {
    timed("One after another", one_after_another(customers)).await;
    let letters = timed("All at once", all_at_once(customers)).await;
    let mut exit_code = ExitCode::SUCCESS;
    for letter in letters {
        match letter {
            Ok(letter) => println!("{letter}"),
            Err(error) => {
                eprintln!("chained: {error}");
                exit_code = ExitCode::FAILURE;
            }
        }
    }
    exit_code
}

fn main() -> std::io::Result<ExitCode> {
    let mut customers: Vec<String> = std::env::args().skip(1).collect();
    if customers.is_empty() {
        customers = ACCOUNTS.iter().map(|(name, ..)| (*name).to_owned()).collect();
    }
    ioxide::run(write_all(&customers))
}
