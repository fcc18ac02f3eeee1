//! The entries of raft-engine, which takes only protobuf messages.
//!
//! This is what the protobuf compiler generates for `message Entry { uint64 index = 1; bytes
//! context = 2; bytes data = 3; }`, without reflection. These are the fields of raft's own
//! `eraftpb.Entry` that a log needs.

use std::any::Any;
use std::sync::LazyLock;

use protobuf::reflect::MessageDescriptor;
use protobuf::wire_format::WireType;
use protobuf::{
    CachedSize, Clear, CodedInputStream, CodedOutputStream, Message, ProtobufResult, UnknownFields, rt,
};

/// A message of the log.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Entry {
    pub(crate) index: u64,
    /// The key.
    pub(crate) context: Vec<u8>,
    /// The value.
    pub(crate) data: Vec<u8>,
    unknown_fields: UnknownFields,
    cached_size: CachedSize,
}

impl Entry {
    pub(crate) fn of(index: u64, key: &[u8], value: &[u8]) -> Entry {
        Entry {
            index,
            context: key.to_vec(),
            data: value.to_vec(),
            ..Entry::default()
        }
    }
}

impl Clear for Entry {
    fn clear(&mut self) {
        *self = Entry::default();
    }
}

impl Message for Entry {
    fn descriptor(&self) -> &'static MessageDescriptor {
        Self::descriptor_static()
    }

    fn is_initialized(&self) -> bool {
        true
    }

    fn merge_from(&mut self, stream: &mut CodedInputStream<'_>) -> ProtobufResult<()> {
        while !stream.eof()? {
            let (field, wire_type) = stream.read_tag_unpack()?;
            match (field, wire_type) {
                (1, WireType::WireTypeVarint) => self.index = stream.read_uint64()?,
                (1, _) => return Err(rt::unexpected_wire_type(wire_type)),
                (2, _) => rt::read_singular_proto3_bytes_into(wire_type, stream, &mut self.context)?,
                (3, _) => rt::read_singular_proto3_bytes_into(wire_type, stream, &mut self.data)?,
                _ => {
                    let unknown = &mut self.unknown_fields;
                    rt::read_unknown_or_skip_group(field, wire_type, stream, unknown)?;
                }
            }
        }
        Ok(())
    }

    fn write_to_with_cached_sizes(&self, stream: &mut CodedOutputStream<'_>) -> ProtobufResult<()> {
        stream.write_uint64(1, self.index)?;
        stream.write_bytes(2, &self.context)?;
        stream.write_bytes(3, &self.data)?;
        stream.write_unknown_fields(&self.unknown_fields)
    }

    fn compute_size(&self) -> u32 {
        let size = rt::value_size(1, self.index, WireType::WireTypeVarint)
            + rt::bytes_size(2, &self.context)
            + rt::bytes_size(3, &self.data)
            + rt::unknown_fields_size(&self.unknown_fields);
        self.cached_size.set(size);
        size
    }

    fn get_cached_size(&self) -> u32 {
        self.cached_size.get()
    }

    fn get_unknown_fields(&self) -> &UnknownFields {
        &self.unknown_fields
    }

    fn mut_unknown_fields(&mut self) -> &mut UnknownFields {
        &mut self.unknown_fields
    }

    fn as_any(&self) -> &dyn Any {
        self
    }

    fn new() -> Entry {
        Entry::default()
    }

    fn default_instance() -> &'static Entry {
        static EMPTY: LazyLock<Entry> = LazyLock::new(Entry::default);
        &EMPTY
    }
}
