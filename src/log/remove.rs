use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use super::shared::Shared;
use crate::{BackupReport, Deleted, Error, Result, Trimmed};

impl Shared {
    fn not_yet(&self) -> Error {
        Error::Unsupported {
            path: self.place.dir.clone(),
            what: "not yet",
        }
    }
    pub(crate) fn delete_some(self: &Arc<Shared>, _offsets: &mut BTreeSet<u64>) -> Result<Deleted> {
        Err(self.not_yet())
    }
    pub(crate) fn trim(self: &Arc<Shared>, _before: u64) -> Result<Trimmed> {
        Err(self.not_yet())
    }
    pub(crate) fn apply_retention(self: &Arc<Shared>, _dry_run: bool) -> Result<Trimmed> {
        Err(self.not_yet())
    }
    pub(crate) fn backup(self: &Arc<Shared>, _dir: &Path) -> Result<BackupReport> {
        Err(self.not_yet())
    }
}
