use crate::{Control, Place, Timestamp, Token};

/// Bytes of a state as it is stored.
pub(crate) const CONTROL_STATE_LEN: usize = 64;

/// Where the parts of a stored state are.
const TOKEN_AT: usize = 2;
const NUMBERS_AT: usize = 40;

const IS_SEALED: u8 = 1;
const HAS_PRODUCERS: u8 = 1 << 1;

/// What the records of a log up to one offset have come to. It outlives them: a segment's header
/// has the state at the segment's beginning, and the metadata that at the log's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct ControlState {
    pub(crate) token: Token,
    pub(crate) is_sealed: bool,
    /// Whether a batch ever came from a producer.
    pub(crate) has_producers: bool,
    /// The latest time of a record.
    pub(crate) time_max: i64,
    /// The time of the last record; 0 if there was none.
    pub(crate) last_time: i64,
    /// The highest offset that a control record has trimmed the log to.
    pub(crate) trim_to: u64,
}

impl Default for ControlState {
    /// The state of a log without records.
    fn default() -> ControlState {
        ControlState {
            token: Token::EMPTY,
            is_sealed: false,
            has_producers: false,
            time_max: i64::MIN,
            last_time: 0,
            trim_to: 0,
        }
    }
}

impl ControlState {
    /// Takes the control record at this offset.
    pub(crate) fn note_control(&mut self, offset: u64, control: Control) {
        match control {
            Control::Fence(token) => self.token = token,
            Control::Trim(before) => self.trim_to = self.trim_to.max(before.min(offset + 1)),
            Control::Seal => self.is_sealed = true,
            Control::Unseal => self.is_sealed = false,
        }
    }

    /// The state that a log has come to later. Whether there were producers need not be seen there:
    /// a segment that was rewritten names none.
    pub(crate) fn also_in(&self, later: ControlState) -> ControlState {
        ControlState {
            has_producers: self.has_producers || later.has_producers,
            ..later
        }
    }

    /// The end of a log of this state.
    pub(crate) fn end_at(&self, offset: u64) -> Place {
        Place {
            offset,
            time: Timestamp::from_micros(self.last_time),
        }
    }

    pub(crate) fn encode(&self) -> [u8; CONTROL_STATE_LEN] {
        let flag = |on: bool, flag: u8| if on { flag } else { 0 };
        let token = self.token.as_bytes();
        let mut bytes = [0; CONTROL_STATE_LEN];
        #[expect(clippy::cast_possible_truncation, reason = "at most 36")]
        let head = [
            flag(self.is_sealed, IS_SEALED) | flag(self.has_producers, HAS_PRODUCERS),
            token.len() as u8,
        ];
        let numbers = [
            self.time_max.to_le_bytes(),
            self.last_time.to_le_bytes(),
            self.trim_to.to_le_bytes(),
        ];
        bytes[..TOKEN_AT].copy_from_slice(&head);
        bytes[TOKEN_AT..TOKEN_AT + token.len()].copy_from_slice(token);
        bytes[NUMBERS_AT..].copy_from_slice(numbers.as_flattened());
        bytes
    }

    /// The state in these bytes; `None` if they hold none.
    pub(crate) fn decode(bytes: &[u8; CONTROL_STATE_LEN]) -> Option<ControlState> {
        let [flags, len, ..] = *bytes;
        let (token, padding) = bytes[TOKEN_AT..NUMBERS_AT].split_at_checked(usize::from(len))?;
        let (numbers, _) = bytes[NUMBERS_AT..].as_chunks::<8>();
        let [time_max, last_time, trim_to] = *numbers else {
            return None;
        };
        if flags & !(IS_SEALED | HAS_PRODUCERS) != 0 || padding.iter().any(|byte| *byte != 0) {
            return None;
        }
        Some(ControlState {
            token: Token::from_bytes(token)?,
            is_sealed: flags & IS_SEALED != 0,
            has_producers: flags & HAS_PRODUCERS != 0,
            time_max: i64::from_le_bytes(time_max),
            last_time: i64::from_le_bytes(last_time),
            trim_to: u64::from_le_bytes(trim_to),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_is_read_back() {
        let mut state = ControlState::default();
        assert_eq!(ControlState::decode(&state.encode()), Some(state));
        let token = Token::new(&"t".repeat(36)).expect("36 bytes");
        state.note_control(4, Control::Fence(token));
        state.note_control(5, Control::Trim(3));
        state.note_control(6, Control::Seal);
        (state.time_max, state.last_time) = (-7, -7);
        state.has_producers = true;
        assert_eq!(ControlState::decode(&state.encode()), Some(state));
        assert_eq!((state.time_max, state.last_time, state.trim_to), (-7, -7, 3));
    }

    #[test]
    fn a_trim_ends_behind_its_own_record_and_never_goes_back() {
        let mut state = ControlState::default();
        state.note_control(4, Control::Trim(100));
        assert_eq!(state.trim_to, 5);
        state.note_control(5, Control::Trim(3));
        assert_eq!(state.trim_to, 5);
    }

    #[test]
    fn other_bytes_are_no_state() {
        let bytes = ControlState::default().encode();
        for (at, byte) in [(0, 4), (1, 37), (1, 255), (2, b'x')] {
            let mut other = bytes;
            other[at] = byte;
            assert_eq!(ControlState::decode(&other), None, "{at}");
        }
    }
}
