//! The open server of S2, in this process: on a port of loopback, with its data in memory.

use std::net::SocketAddr;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytesize::ByteSize;
use duramen_s2::{S2Log, S2Options, S2Store};
use s2_lite::backend::{Backend, bgtasks};
use s2_lite::handlers;
use slatedb::Db;
use slatedb::config::Settings;
use slatedb::object_store::memory::InMemory;
use tokio::net::TcpListener;
use tokio::runtime::{Builder, Runtime};

/// The basin of all tests.
pub(crate) const BASIN: &str = "duramen-tests";

/// A server that runs until the process ends.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    _runtime: Runtime,
}

/// The one that all tests share. Each test has streams of its own.
pub(crate) static SERVER: LazyLock<Server> = LazyLock::new(Server::start);

impl Server {
    fn start() -> Server {
        let runtime = Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .expect("a runtime");
        let address = runtime.block_on(async {
            let settings = Settings {
                // What is appended is durable after so long: the shortest wait of each append.
                flush_interval: Some(Duration::from_millis(1)),
                ..Settings::default()
            };
            let db = Db::builder("s2", std::sync::Arc::new(InMemory::new())).with_settings(settings);
            let backend = Backend::new(db.build().await.expect("a database"), ByteSize::mib(128));
            bgtasks::spawn(&backend);
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let address = listener.local_addr().expect("an address");
            let app = handlers::router().with_state(backend);
            tokio::spawn(async move { axum::serve(listener, app).await });
            address
        });
        let server = Server {
            address,
            _runtime: runtime,
        };
        store_at(server.address).create_basin().expect("a basin");
        server
    }
}

/// The streams of the basin, by way of this address.
pub(crate) fn store_at(address: SocketAddr) -> S2Store {
    S2Store::connect(BASIN, &options(address)).expect("a store")
}

/// How to reach the server at this address.
pub(crate) fn options(address: SocketAddr) -> S2Options {
    S2Options::new("no server checks this").endpoint(format!("http://{address}"))
}

/// The streams of the server that all tests share.
pub(crate) fn store() -> &'static S2Store {
    static STORE: LazyLock<S2Store> = LazyLock::new(|| store_at(SERVER.address));
    &STORE
}

/// A name that no other stream has.
pub(crate) fn name() -> String {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    format!("stream-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A new stream.
pub(crate) fn new_log() -> S2Log {
    store().create(&name()).expect("a new stream")
}
