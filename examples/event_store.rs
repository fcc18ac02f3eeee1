//! Event sourcing with optimistic concurrency: an account is the sum of its events, and a
//! withdrawal is published only if nothing has been published since the balance was read.
//!
//! `cargo run --example event_store`

use std::thread;

use duramen::{Error, FileLog, Log, NewMessage, Options, PublishOptions, Result, Start};

const ACCOUNT: &[u8] = b"account-7";

/// The state of one account, built from its events: deposits are positive, withdrawals negative.
#[derive(Default)]
struct Account {
    balance: i64,
    events: u64,
    /// The offset up to which the log was read. The state has none of the later events.
    next_offset: u64,
}

impl Account {
    /// Applies the events that were published since the last update.
    fn catch_up(&mut self, log: &FileLog) -> Result<()> {
        loop {
            let batch = log.consume_by_key(ACCOUNT, Start::At(self.next_offset), 64)?;
            if batch.next_offset == self.next_offset {
                return Ok(());
            }
            self.next_offset = batch.next_offset;
            for message in &batch {
                let amount = message.value.as_deref().unwrap_or_default();
                self.balance += i64::from_be_bytes(amount.try_into().expect("eight bytes"));
                self.events += 1;
            }
        }
    }
}

/// The outcome of a withdrawal.
#[derive(Debug, PartialEq, Eq)]
enum Withdrawal {
    Done,
    NotEnough,
}

/// Withdraws `amount` unless that would overdraw the account. Counts the attempts that lost a race.
fn withdraw(log: &FileLog, account: &mut Account, amount: i64, races_lost: &mut u64) -> Result<Withdrawal> {
    loop {
        account.catch_up(log)?;
        if account.balance < amount {
            return Ok(Withdrawal::NotEnough);
        }
        // The decision is valid only if this is the next event. Of all who decided on the same
        // state, one wins.
        let how = PublishOptions::new().expect_next_offset(account.next_offset);
        match log.publish_with(&[NewMessage::new(ACCOUNT, &(-amount).to_be_bytes())], &how) {
            Ok(_) => return Ok(Withdrawal::Done),
            Err(Error::OffsetMismatch { .. }) => *races_lost += 1,
            Err(error) => return Err(error),
        }
    }
}

/// Withdraws 1 until the account is empty. Returns the numbers of withdrawals and of lost races.
fn drain(log: &FileLog) -> Result<(i64, u64)> {
    let (mut account, mut done, mut races_lost) = (Account::default(), 0, 0);
    while withdraw(log, &mut account, 1, &mut races_lost)? == Withdrawal::Done {
        done += 1;
    }
    Ok((done, races_lost))
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-event-store-{}", std::process::id()));
    let log = Options::new().create_dirs(true).key_index(true).open(&dir)?;
    log.publish(&[
        NewMessage::new(ACCOUNT, &300_i64.to_be_bytes()),
        NewMessage::new(b"account-8", &1_000_i64.to_be_bytes()),
        NewMessage::new(ACCOUNT, &200_i64.to_be_bytes()),
    ])?;

    // Four tellers empty the account concurrently. None of them holds a lock while it decides.
    let tellers: Vec<(i64, u64)> = thread::scope(|scope| {
        let tellers: Vec<_> = (0..4).map(|_| scope.spawn(|| drain(&log))).collect();
        tellers
            .into_iter()
            .map(|teller| teller.join().expect("a teller does not panic"))
            .collect::<Result<_>>()
    })?;
    for (teller, (done, races_lost)) in tellers.iter().enumerate() {
        println!("teller {teller}: {done} withdrawals, {races_lost} races lost");
    }

    // Every unit was paid out once, and the account was never overdrawn.
    let mut account = Account::default();
    account.catch_up(&log)?;
    println!("{} events, balance {}", account.events, account.balance);
    assert_eq!(tellers.iter().map(|(done, _)| done).sum::<i64>(), 500);
    assert_eq!((account.events, account.balance), (502, 0));

    log.close()?;
    std::fs::remove_dir_all(&dir)?;
    Ok(())
}
