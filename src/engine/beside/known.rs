use std::sync::Arc;

use arc_swap::ArcSwap;

use super::listing::Listing;
use super::tails::Tails;
use crate::directory::{Copies, SeenNote};
use crate::format::{Lives, META_NAMES, META_SEQUENCE_AT, Meta};
use crate::sys::{Dir, File, NamesChangedAt, Open, found};
use crate::{Error, LifeId, Position, Result, Start};

/// What a read-only handle has seen of a log's directory.
#[derive(Debug)]
pub(crate) struct Seen {
    /// When the names were read, what was said of their last change.
    pub(super) names: NamesChangedAt,
    pub(super) listing: Listing,
    pub(super) copies: SeenCopies,
    /// The last segments, if the log is written to.
    pub(crate) tails: Tails,
    /// Segments that were left behind and have no index files yet.
    pub(super) behind: Tails,
    /// Whether only durable messages are visible.
    pub(super) only_durable: bool,
    pub(super) note: SeenNote,
}

impl Seen {
    /// Reads the names and the metadata, which are of one moment: no newer metadata was written
    /// while the names were read. Otherwise the metadata might tell of messages in segments that
    /// are not among the names, and readers would pass over them.
    pub(crate) fn read(dir: &Dir) -> Result<(Seen, Copies)> {
        const ATTEMPTS_MAX: u32 = 1000;
        let mut attempts = 0;
        loop {
            let names = dir.names_changed_at()?;
            let seen_copies = SeenCopies::of(dir)?;
            let note = SeenNote::open(dir)?;
            let listing = Listing::of(dir.entries()?);
            let copies = Copies::read(dir)?;
            attempts += 1;
            if copies.sequence() > seen_copies.newest() && attempts < ATTEMPTS_MAX {
                continue;
            }
            let seen = Seen {
                names,
                listing,
                copies: seen_copies,
                tails: Tails::default(),
                behind: Tails::default(),
                only_durable: false,
                note,
            };
            return Ok((seen, copies));
        }
    }

    /// Shows readers what was read: where only durable messages are visible, what is proven to be,
    /// what the writer has noted, and what lies below the offset `floor`.
    pub(super) fn show(&mut self, floor: u64, meta: &Meta) -> Result<()> {
        let durable_from = if self.only_durable {
            Some(self.note.offset(meta)?.max(floor))
        } else {
            None
        };
        self.tails.show(durable_from);
        Ok(())
    }

    /// The offset below which everything is on stable storage, for all that is known, in a log that
    /// is shown up to `end`.
    pub(super) fn durable(&self, end: u64) -> u64 {
        if self.only_durable {
            end
        } else {
            self.tails.durable_offset().unwrap_or(0)
        }
    }

    /// Closes all files.
    pub(super) fn let_go(&mut self) {
        self.tails = Tails::default();
        self.behind = Tails::default();
        self.copies.files = [None, None];
        self.note = SeenNote::default();
    }

    pub(crate) fn listing(&self) -> &Listing {
        &self.listing
    }

    /// Takes over the last segments, of which only durable messages are visible if `only_durable`.
    pub(crate) fn with_tails(&mut self, tails: Tails, only_durable: bool) {
        self.tails = tails;
        self.only_durable = only_durable;
    }
}

/// The two copies of the metadata, open, and which sequence numbers they had.
#[derive(Debug)]
pub(super) struct SeenCopies {
    files: [Option<File>; 2],
    sequences: [u64; 2],
}

impl SeenCopies {
    fn of(dir: &Dir) -> Result<SeenCopies> {
        let open = |name: &str| found(dir.open(name, Open::Read));
        let mut seen = SeenCopies {
            files: [open(META_NAMES[0])?, open(META_NAMES[1])?],
            sequences: [0; 2],
        };
        seen.sequences = seen.now()?;
        Ok(seen)
    }

    /// The sequence numbers that the copies have now. Nobody has verified them.
    fn now(&self) -> Result<[u64; 2]> {
        let mut sequences = [0; 2];
        for (file, sequence) in self.files.iter().zip(&mut sequences) {
            if let Some(file) = file {
                let mut bytes = [0; 8];
                file.read_at(META_SEQUENCE_AT, &mut bytes)?;
                *sequence = u64::from_le_bytes(bytes);
            }
        }
        Ok(sequences)
    }

    /// Whether they have other sequence numbers than when they were opened.
    pub(super) fn have_changed(&self) -> Result<bool> {
        Ok(self.now()? != self.sequences)
    }

    /// The larger sequence number. While somebody writes a copy, it may have none that is readable.
    pub(super) fn newest(&self) -> u64 {
        self.sequences.into_iter().max().unwrap_or(0)
    }
}

/// The lives of a log, as a handle knows them.
#[derive(Debug)]
pub(crate) struct KnownLives(ArcSwap<(Lives, u64)>);

impl KnownLives {
    /// The messages of the last life are known to be there up to the offset `common_until`.
    pub(crate) fn new(lives: Lives, common_until: u64) -> KnownLives {
        KnownLives(ArcSwap::from_pointee((lives, common_until)))
    }

    pub(super) fn replace(&self, lives: Lives, common_until: u64) {
        self.0.store(Arc::new((lives, common_until)));
    }

    /// The messages of the last life are known to be there up to this offset at least.
    pub(super) fn is_common_until(&self, end: u64) {
        let known = self.0.load();
        if known.1 < end {
            self.replace(known.0.clone(), end);
        }
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.0.load().0.epoch()
    }

    pub(crate) fn current(&self) -> LifeId {
        self.0.load().0.current().id
    }

    pub(crate) fn position_at(&self, offset: u64) -> Position {
        let life = self.0.load().0.life_at(offset);
        Position { life, offset }
    }

    /// See [`Log::resume`](crate::Log::resume).
    pub(crate) fn resume(&self, position: Position) -> Result<Start> {
        let known = self.0.load();
        let (lives, common_until) = &**known;
        let parted_at = lives.common_with(position.life);
        let parted_at = parted_at.map(|parted_at| parted_at.min(*common_until));
        if parted_at.is_some_and(|parted_at| position.offset <= parted_at) {
            Ok(Start::At(position.offset))
        } else {
            Err(Error::EpochChanged { position, parted_at })
        }
    }
}
