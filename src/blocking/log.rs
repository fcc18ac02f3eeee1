use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::BlockingLog;
use crate::{
    Ack, BackupReport, Batch, Changes, Deleted, Log, Message, NewMessage, Place, Position, PublishOptions,
    ReadBatch, ReadOptions, Result, Start, Stats, Timestamp, Token, Trimmed,
};

forward_log!(
    [
        /// Every call goes to the log in the wrapper. After a call that may have changed it,
        /// readers that wait are woken.
        impl<L: Log> Log for BlockingLog<L>
    ]
    |log| log.raw(),
    |result| log.wake_readers_after(result)
);
