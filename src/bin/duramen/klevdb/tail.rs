//! Telling a torn tail from damage.

use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

use super::file;
use super::format::{HEAD_LEN, Head, Version};
use super::segment::Segment;
use crate::failure::Failure;

/// Bytes that are searched at a time.
const WINDOW_LEN: usize = 256 << 10;
/// So many bytes may be read again, or four times the tail if that is more, to verify what looks
/// like a record.
const WORK_MIN: u64 = 64 << 20;

/// Whether nothing that begins behind `position` is a whole record with an offset of `next` or
/// above. Then the bytes from there on are what a process that was killed, or a power cut, has
/// left.
pub(crate) fn is_torn(segment: &Segment, position: u64, next: u64) -> Result<bool, Failure> {
    let path = &segment.path;
    let mut file = Failure::at("open", path, file::open(path))?;
    let tail_len = segment.len.saturating_sub(position);
    let mut work = WORK_MIN.max(tail_len.saturating_mul(4));
    // What begins with zeros is taken for format V1, but may have been a segment of V2.
    let versions: &[Version] = match segment.version {
        Version::V1 => &[Version::V1, Version::V2],
        Version::V2 => &[Version::V2],
    };
    let mut window = Vec::new();
    let mut at = position + 1;
    while at + HEAD_LEN as u64 <= segment.len {
        read_at(&mut file, at, WINDOW_LEN, &mut window)
            .map_err(|error| Failure::path("read", path, error))?;
        for place in 0..window.len() {
            let Some(bytes) = window.get(place..).and_then(<[u8]>::first_chunk) else {
                break;
            };
            let place = at + place as u64;
            for version in versions {
                if let Some(head) = too_large(*version, segment.len, place, bytes, next) {
                    work = work.saturating_sub(head.body_len());
                    if work == 0 || is_whole(&mut file, place, &head, path)? {
                        return Ok(false);
                    }
                    continue;
                }
                let Some(head) = candidate(*version, segment.len, place, bytes, next) else {
                    continue;
                };
                let rest_len = version.rest_len(&head);
                work = work.saturating_sub(rest_len as u64 + 1);
                let mut rest = Vec::new();
                let read = read_at(&mut file, place + HEAD_LEN as u64, rest_len, &mut rest);
                Failure::at("read", path, read)?;
                // If it takes too long to tell, nothing is dropped.
                if work == 0 || version.is_intact(bytes, &head, &rest) {
                    return Ok(false);
                }
            }
        }
        let searched = window.len().saturating_sub(HEAD_LEN - 1);
        if searched == 0 {
            break;
        }
        at += searched as u64;
    }
    Ok(true)
}

/// The head of what may be a record, in a segment of `len` bytes.
fn candidate(version: Version, len: u64, place: u64, bytes: &[u8; HEAD_LEN], next: u64) -> Option<Head> {
    let head = version.head(bytes)?;
    let end = place + (HEAD_LEN + version.rest_len(&head)) as u64;
    // Without a key and a value, nothing is summed in format V1, so what is followed by zeros looks
    // like a record. Then the offset has to be one of those that follow, and there is a time.
    let is_empty = version == Version::V1 && head.key_len + head.value_len == 0;
    let most = len / HEAD_LEN as u64;
    let is_near = head.time != 0 && head.offset - next.min(head.offset) <= most;
    (end <= len && head.offset >= next && (is_near || !is_empty)).then_some(head)
}

/// The head of what may be a record that is larger than any may be.
fn too_large(version: Version, len: u64, place: u64, bytes: &[u8; HEAD_LEN], next: u64) -> Option<Head> {
    let head = version.too_large_head(bytes)?;
    let end = place + HEAD_LEN as u64 + head.body_len();
    (end <= len && head.offset >= next).then_some(head)
}

fn is_whole(file: &mut File, place: u64, head: &Head, path: &Path) -> Result<bool, Failure> {
    let found = file.seek(SeekFrom::Start(place + HEAD_LEN as u64));
    Failure::at("read", path, found)?;
    Failure::at("read", path, head.is_sum_of(&mut file.take(head.body_len())))
}

fn read_at(file: &mut File, position: u64, len: usize, into: &mut Vec<u8>) -> std::io::Result<()> {
    into.clear();
    file.seek(SeekFrom::Start(position))?;
    file.take(len as u64).read_to_end(into).map(drop)
}
