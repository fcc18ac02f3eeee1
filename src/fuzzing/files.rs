use super::seeds::reseal;
use crate::format::{Binding, FileName, IndexDefect, IndexHeader, IndexKinds, META_LEN, Meta, Salt};
use crate::index::{Find, SealedIndex};
use crate::sys::Map;

/// Reads `bytes` as a copy of the metadata, both unchanged and with a corrected checksum.
pub fn meta(bytes: &[u8]) {
    let mut sealed = bytes.to_vec();
    reseal(&mut sealed);
    for bytes in [bytes, &sealed] {
        if let Ok(meta) = Meta::decode(bytes) {
            assert!(bytes.len() >= META_LEN);
            assert_eq!(Meta::decode(&meta.encode()), Ok(meta));
        }
    }
}

/// Checks that a name that is recognised as one of a log's files is exactly the name of that file.
pub fn file_name(name: &str) {
    if let Some(parsed) = FileName::parse(name) {
        assert_eq!(parsed.to_string(), name);
    }
}

/// Reads `bytes` as an index file, and as the sections of an index file with a matching header.
/// Runs every query on both.
pub fn index(bytes: &[u8]) {
    if let Ok(header) = IndexHeader::decode(bytes, bytes.len() as u64) {
        ask(bytes.to_vec(), &header);
    }
    if let Some((header, file)) = forge(bytes) {
        ask(file, &header);
    }
}

/// Takes the fields of a header from the first 16 bytes and the sections from the rest, as far as
/// it reaches.
fn forge(bytes: &[u8]) -> Option<(IndexHeader, Vec<u8>)> {
    let (fields, body) = bytes.split_first_chunk::<16>()?;
    let kinds = IndexKinds {
        key: fields[0] & 1 != 0,
        time: fields[0] & 2 != 0,
    };
    let count = u32::from(u16::from_le_bytes([fields[1], fields[2]]) % 400);
    let base = if fields[0] & 8 == 0 { 5 } else { u64::MAX - 1000 };
    let gaps = fields[0] & 4 != 0;
    let header = IndexHeader {
        kinds,
        gaps,
        binding: Binding {
            salt: Salt([3; 16]),
            base,
            generation: 0,
            segment_len: u32::from_le_bytes([fields[3], fields[4], fields[5], fields[6]]),
            last_checksum: 0,
        },
        count,
        end: base + u64::from(count) + u64::from(gaps) * (1 + u64::from(fields[7])),
        time_max: if kinds.time && count > 0 {
            i64::from_le_bytes([fields[8]; 8])
        } else {
            0
        },
        slots: if kinds.key {
            16 * (1 + u32::from(fields[9] % 40))
        } else {
            0
        },
        keyed: if kinds.key {
            count.min(u32::from(fields[10]))
        } else {
            0
        },
        controls: if fields[0] & 16 == 0 {
            0
        } else {
            count.min(u32::from(fields[11]))
        },
        table_checksum: 0,
    };
    let header = IndexHeader {
        keyed: header.keyed.min(header.count - header.controls),
        ..header
    };
    let len = usize::try_from(header.sections().file_len).ok()?;
    let mut file = header.encode().to_vec();
    file.extend(body.iter().take(len - file.len()));
    file.resize(len, fields[15]);
    reseal(&mut file);
    Some((header, file))
}

/// Runs every query on an index file. A query on invalid contents must report a defect.
fn ask(bytes: Vec<u8>, header: &IndexHeader) {
    let (binding, kinds) = (header.binding, header.kinds);
    let index = match SealedIndex::open(Map::from_bytes(bytes), &binding, kinds) {
        Ok(index) => index,
        Err(defect) => {
            // A carefully forged file can be opened.
            assert!(matches!(defect, IndexDefect::Checksum { .. }), "{defect}");
            return;
        }
    };
    let is_whole = index.verify_all().is_ok();
    let count = index.count();
    for ordinal in 0..count {
        let position = index.position(ordinal);
        assert!(position.is_err() || position.is_ok_and(|position| position < binding.segment_len));
        let offset = index.offset(ordinal);
        assert!(offset.is_err() || offset.is_ok_and(|offset| offset >= binding.base && offset < header.end));
        assert!(
            !is_whole || (position.is_ok() && offset.is_ok()),
            "record {ordinal}"
        );
        if let (Ok(offset), true) = (offset, is_whole) {
            let position = position.unwrap_or_default();
            assert_eq!(index.find(offset), Ok(Find::Found { ordinal, position }));
        }
    }
    for ordinal in 0..=count {
        let before = index.messages_before(ordinal);
        assert!(before.is_err() || before.is_ok_and(|before| before <= ordinal));
        if let (Ok(before), true) = (before, is_whole) {
            let next = index.nth_message(before);
            assert!(next.is_ok_and(|next| next >= ordinal && next <= count));
        } else {
            let _ = index.nth_message(ordinal);
        }
    }
    for past in [count, count.saturating_add(1), u32::MAX] {
        assert!(index.position(past).is_err() && index.offset(past).is_err());
    }
    for offset in [
        0,
        binding.base.saturating_sub(1),
        binding.base,
        header.end,
        u64::MAX,
    ] {
        let _ = index.find(offset);
    }
    for time in [i64::MIN, -1, 0, 1, header.time_max, i64::MAX] {
        let _ = index.first_at_or_after(time, |_| Ok::<_, IndexDefect>(time));
        let _ = index.first_at_or_after(time, |_| Ok::<_, IndexDefect>(i64::MIN));
    }
    for hash in (0..32).map(|n: u32| n.wrapping_mul(0x0808_0808)) {
        // Each record is in only one chain, so the loop ends.
        assert!(index.candidates(hash).count() <= count as usize + 1);
    }
}
