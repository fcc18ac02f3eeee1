//! How fast a mirror is beside the SDK by hand: the same messages, in batches as large, to the same server, in turn.
//!
//! `cargo bench --profile s2 -p duramen-s2-tests [-- MESSAGES ROUNDS]`

#[path = "../tests/s2/server.rs"]
mod server;

use std::sync::Arc;
use std::time::{Duration, Instant};

use duramen::{Log, LogExt, MemoryLog, Message, NewMessage, Timestamp};
use duramen_s2::Mirror;
use s2_sdk::S2;
use s2_sdk::append_session::AppendSessionConfig;
use s2_sdk::types::{
    AppendInput, AppendRecord, AppendRecordBatch, CreateStreamInput, Header, S2Config, S2Endpoints,
};

use server::{BASIN, SERVER, name, new_log};

/// The bytes of a value: with its key, a message is about as large as those of the other benchmarks.
const VALUE_LEN: usize = 140;

fn main() {
    // Where tests are run, it is only built.
    if !std::env::args().any(|text| text == "--bench") {
        return;
    }
    let mut numbers = std::env::args()
        .skip(1)
        .filter_map(|text| text.parse::<usize>().ok());
    let (count, rounds) = (numbers.next().unwrap_or(50_000), numbers.next().unwrap_or(5));
    let source = Arc::new(MemoryLog::new());
    for number in 0..count {
        let key = format!("key {number}");
        let message = NewMessage::new(key.as_bytes(), &[7; VALUE_LEN]);
        source
            .publish(&[message.time(Timestamp::from_micros(1))])
            .expect("published");
    }
    let messages: Vec<Message> = source.iter(0).map(|message| message.expect("read")).collect();
    let (mut by_hand, mut mirrored) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        by_hand.push(send_by_hand(&messages));
        mirrored.push(mirror(&source));
    }
    let (by_hand, mirrored) = (median(by_hand), median(mirrored));
    let rate = |time: Duration| count as f64 / time.as_secs_f64();
    println!(
        "{count} messages, median of {rounds} rounds: by hand {:.0} a second, mirror {:.0} a second, ratio {:.2}",
        rate(by_hand),
        rate(mirrored),
        rate(mirrored) / rate(by_hand)
    );
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn mirror(source: &Arc<MemoryLog>) -> Duration {
    let target = new_log();
    let mut mirror = Mirror::start(Arc::clone(source) as Arc<dyn Log>, &target).expect("started");
    let began = Instant::now();
    mirror.ship().expect("shipped");
    began.elapsed()
}

/// A session of the SDK, with as many messages in a batch, and all batches under way that it allows.
fn send_by_hand(messages: &[Message]) -> Duration {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let address = SERVER.address;
    runtime.block_on(async {
        let endpoints = S2Endpoints::for_endpoint(&format!("http://{address}")).expect("an endpoint");
        let s2 = S2::new(S2Config::new("ignored").with_endpoints(endpoints)).expect("a client");
        let basin = s2.basin(BASIN.parse().expect("a name"));
        let stream = name();
        basin
            .create_stream(CreateStreamInput::new(stream.parse().expect("a name")))
            .await
            .expect("a stream");
        let session = basin
            .stream(stream.parse().expect("a name"))
            .append_session(AppendSessionConfig::new());
        let began = Instant::now();
        let mut tickets = Vec::new();
        for (at, batch) in messages.chunks(1000).enumerate() {
            let records = batch.iter().map(|message| {
                let headers = [
                    Header::new("o", message.offset.to_be_bytes().to_vec()),
                    Header::new("t", message.time.as_micros().to_be_bytes().to_vec()),
                    Header::new("k", message.key.clone().unwrap_or_default()),
                ];
                let record = AppendRecord::new(message.value.clone().unwrap_or_default()).expect("small");
                record.with_headers(headers).expect("small")
            });
            let batch = AppendRecordBatch::try_from_iter(records).expect("a batch");
            let input = AppendInput::new(batch).with_match_seq_num(at as u64 * 1000);
            tickets.push(session.submit(input).await.expect("sent"));
        }
        for ticket in tickets {
            ticket.await.expect("appended");
        }
        began.elapsed()
    })
}
