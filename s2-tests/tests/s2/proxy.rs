//! Stands between the client and the server, and cuts each connection after some bytes.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{LazyLock, Mutex};

use fastrand::Rng;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Runtime};

static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| {
    Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
});

/// A proxy in front of a server, for as long as the process runs.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    cuts: Arc<AtomicU64>,
}

impl Proxy {
    /// One that lets so many bytes through each connection, at random from this range, in both directions together.
    pub(crate) fn start(server: SocketAddr, seed: u64, bytes: std::ops::Range<u64>) -> Proxy {
        let listener = RUNTIME
            .block_on(TcpListener::bind("127.0.0.1:0"))
            .expect("a free port");
        let address = listener.local_addr().expect("an address");
        let (cuts, rng) = (Arc::new(AtomicU64::new(0)), Mutex::new(Rng::with_seed(seed)));
        let counted = Arc::clone(&cuts);
        RUNTIME.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let left = Arc::new(AtomicU64::new(rng.lock().unwrap().u64(bytes.clone())));
                let counted = Arc::clone(&counted);
                tokio::spawn(async move {
                    let Ok(server) = TcpStream::connect(server).await else {
                        return;
                    };
                    let ((from_client, to_client), (from_server, to_server)) =
                        (client.into_split(), server.into_split());
                    // The first direction that ends takes the other one with it.
                    let was_cut = tokio::select! {
                        was_cut = copy(from_client, to_server, &left) => was_cut,
                        was_cut = copy(from_server, to_client, &left) => was_cut,
                    };
                    counted.fetch_add(u64::from(was_cut), Ordering::Relaxed);
                });
            }
        });
        Proxy { address, cuts }
    }

    /// How many connections it has cut.
    pub(crate) fn cuts(&self) -> u64 {
        self.cuts.load(Ordering::Relaxed)
    }
}

/// Copies until one side ends, or no bytes are left; whether that was it.
async fn copy(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    left: &AtomicU64,
) -> bool {
    let mut buffer = vec![0; 16 << 10];
    loop {
        let Ok(len @ 1..) = from.read(&mut buffer).await else {
            return false;
        };
        let before = left.load(Ordering::Relaxed);
        let allowed = len.min(usize::try_from(before).unwrap_or(usize::MAX));
        left.store(before - allowed as u64, Ordering::Relaxed);
        if to.write_all(&buffer[..allowed]).await.is_err() {
            return false;
        }
        if allowed < len {
            return true;
        }
    }
}
