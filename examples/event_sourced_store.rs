//! An event-sourced store: an account is the sum of its events, and a withdrawal is published only
//! if no other event of the same account has come in between. Other accounts do not matter.
//!
//! `cargo run --example event_sourced_store`

use duramen::{Error, FileLog, Log, NewMessage, Options, PublishOptions, Result, Start};

#[derive(Default)]
struct Account {
    balance: i64,
    /// The offset of the account's last event, and the one up to which the log was read for it.
    last: Option<u64>,
    next_offset: u64,
}

/// Applies the events of an account that were published since the last call.
fn catch_up(account: &mut Account, log: &FileLog, key: &[u8]) -> Result<()> {
    while account.next_offset < log.next_offset()? {
        let batch = log.consume_by_key(key, Start::At(account.next_offset), 64)?;
        for event in &batch {
            let amount = event.value.as_deref().unwrap_or_default();
            account.balance += i64::from_be_bytes(amount.try_into().expect("eight bytes"));
            account.last = Some(event.offset);
        }
        account.next_offset = batch.next_offset;
    }
    Ok(())
}

/// Withdraws 1 until the account is empty. Returns the number of withdrawals.
fn drain(log: &FileLog, key: &[u8]) -> Result<u64> {
    let (mut account, mut done) = (Account::default(), 0);
    catch_up(&mut account, log, key)?;
    while account.balance > 0 {
        // Of all who have decided on the same state, one wins. The others look again.
        let only_then = PublishOptions::new().expect_key(key, account.last);
        match log.publish_with(&[NewMessage::new(key, &(-1_i64).to_be_bytes())], &only_then) {
            Err(Error::KeyMismatch { .. }) => {}
            other => done += other.map(|_| 1)?,
        }
        catch_up(&mut account, log, key)?;
    }
    Ok(done)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let dir = std::env::temp_dir().join(format!("duramen-event-sourced-{}", std::process::id()));
    let log = &Options::new().create_dirs(true).key_index(true).open(&dir)?;
    let (accounts, deposit) = (["anna", "ben"].map(str::as_bytes), 300_i64.to_be_bytes());
    log.publish(&accounts.map(|key| NewMessage::new(key, &deposit)))?;
    // Two tellers for each account. None of them holds a lock while it decides.
    let done: u64 = std::thread::scope(|scope| {
        let tellers = [0, 0, 1, 1].map(|at| scope.spawn(move || drain(log, accounts[at])));
        let results = tellers.map(|teller| teller.join().expect("no panic"));
        results.into_iter().sum::<Result<_>>()
    })?;
    assert_eq!(done, 600, "the accounts are empty");
    log.close()?;
    Ok(std::fs::remove_dir_all(&dir)?)
}
