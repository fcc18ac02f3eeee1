//! Parts of the errors' texts.

use std::path::Path;

pub(super) fn too_large_text(index: Option<usize>, size: u64, limit: u64) -> String {
    let what = index.map_or_else(
        || "the batch".to_owned(),
        |index| format!("message {index} of the batch"),
    );
    let excess = size.saturating_sub(limit);
    format!("{what} takes {size} bytes, {excess} more than the limit of {limit}")
}

pub(super) fn place_text(path: Option<&Path>) -> String {
    path.map_or_else(String::new, |path| format!("{}: ", path.display()))
}

pub(super) fn parted_text(parted_at: Option<u64>) -> String {
    parted_at.map_or_else(
        || ", whose history does not have that life".to_owned(),
        |offset| format!(", which went on differently from offset {offset} on"),
    )
}

pub(super) fn at_text(offset: Option<u64>) -> String {
    offset.map_or_else(|| "absent".to_owned(), |offset| format!("at offset {offset}"))
}

pub(super) fn handler_text(offset: Option<u64>, attempts: u32) -> String {
    offset.map_or_else(String::new, |offset| {
        format!("the message at offset {offset} was tried {attempts} times, and ")
    })
}

pub(super) fn version_text(version: Option<u64>) -> String {
    version.map_or_else(|| "absent".to_owned(), |version| format!("at version {version}"))
}

pub(super) fn offset_text(offset: Option<u64>) -> String {
    offset.map_or_else(String::new, |offset| format!(" (offset {offset})"))
}

pub(super) fn batch_text(is_behind: bool) -> &'static str {
    if is_behind {
        "not written, because a batch in front of it failed"
    } else {
        "the batch of a producer failed"
    }
}
