//! The steps with control records and producers.

use duramen::{Control, Error, ErrorKind, Log, NewMessage, PublishOptions, Result, Token};

use super::content::{Content, as_new};
use super::run::Run;
use super::workload::Step;

/// Batches that [`Step::ProduceMany`] publishes.
const MANY: u64 = 70;

impl Run {
    pub(super) fn control(&mut self, step: Step) -> Result<()> {
        let next = self.history.next_offset();
        let token: Token = format!("writer-{next}").parse()?;
        match step {
            Step::Fence => self.publish_marked(&[self.content(20)], &[Control::Fence(token)], None),
            Step::FenceAlone => self.publish_marked(&[], &[Control::Fence(token)], None),
            Step::TrimControl => {
                let start = self.start;
                self.publish_marked(&[], &[Control::Trim(start + (next - start).div_ceil(2))], None)
            }
            Step::Seal => self.publish_marked(&[self.content(20)], &[Control::Seal], None),
            Step::Unseal => self.unseal(),
            Step::Produce => self.produce(1 + next % 2, if next.is_multiple_of(3) { 3 } else { 1 }),
            Step::ProduceTwice => self.produce_twice(),
            _ => (0..MANY).try_for_each(|_| self.produce(3, 1)),
        }
    }

    fn produce(&mut self, id: u64, count: usize) -> Result<()> {
        let batch = Content::batch(self.life, self.history.next_offset());
        let last = self.history.state().last_sequence(id);
        // With gaps.
        let sequence = last.map_or(5, |last| last + 1 + last % 3);
        self.publish_marked(&batch[..count], &[], Some((id, sequence)))
    }

    /// Publishes a batch that ends with control records, or comes from a producer.
    fn publish_marked(
        &mut self,
        batch: &[Content],
        controls: &[Control],
        producer: Option<(u64, u64)>,
    ) -> Result<()> {
        let mut how = controls
            .iter()
            .fold(PublishOptions::new(), |how, control| how.and(*control));
        if let Some((id, sequence)) = producer {
            how = how.producer(id, sequence);
        }
        let state = self.history.state();
        if state.is_sealed {
            return self.is_refused(&how);
        }
        // Only the log's own writer knows the token.
        how = how.token(state.token);
        let (first, point) = (self.history.next_offset(), self.disk.point());
        self.history.begin_marked(batch, controls, producer, point);
        let log = self.log.as_ref().expect("open");
        let acked = as_new(batch, |messages| log.append(messages, &how)).inspect_err(|error| {
            if error.kind() != ErrorKind::Unknown {
                self.history.take_back();
            }
        });
        self.note_policy(point)?;
        let ack = acked?;
        assert!(
            (ack.start.offset, ack.end.offset) == (first, self.history.next_offset()) && !ack.is_duplicate,
            "G2: published from {first}, not {ack:?}"
        );
        if controls.iter().any(|control| matches!(control, Control::Trim(_))) {
            // It was made when the batch was durable.
            self.promise_all();
            let start = self.log.as_ref().expect("open").start_offset()?;
            assert!(
                start >= self.history.state().trim_to,
                "G4: not trimmed by control: {start}"
            );
        }
        self.note_promise()
    }

    fn produce_twice(&mut self) -> Result<()> {
        let marks = self.history.all_marks();
        let Some(mark) = marks.iter().rev().find(|mark| mark.producer.is_some()) else {
            return self.control(Step::Produce);
        };
        let (id, sequence) = mark.producer.expect("found by that");
        let how = PublishOptions::new().producer(id, sequence);
        if self.history.state().is_sealed {
            return self.is_refused(&how);
        }
        let again = [NewMessage::value(b"again")];
        let ack = self.open()?.append(&again, &how)?;
        assert!(
            ack.is_duplicate && (ack.start.offset, ack.end.offset) == (mark.first, mark.end),
            "G1: {mark:?} was published, again it is {ack:?}"
        );
        assert_eq!(
            self.open()?.next_offset()?,
            self.history.next_offset(),
            "G2: a duplicate was written"
        );
        self.note_promise()
    }

    /// Publishing to a sealed log fails and changes nothing.
    pub(super) fn is_refused(&mut self, how: &PublishOptions<'_>) -> Result<()> {
        let point = self.disk.point();
        match self.open()?.append(&[NewMessage::value(b"late")], how) {
            Err(Error::Sealed) => {}
            Err(error) => return Err(error),
            Ok(ack) => panic!("G2: published to a sealed log: {ack:?}"),
        }
        assert_eq!(
            self.disk.point(),
            point,
            "G2: a publish that was refused has written"
        );
        Ok(())
    }

    fn unseal(&mut self) -> Result<()> {
        let (point, next) = (self.disk.point(), self.history.next_offset());
        let is_sealed = self.history.state().is_sealed;
        if is_sealed {
            self.history.begin_marked(&[], &[Control::Unseal], None, point);
        }
        let unsealed = self.open()?.unseal().inspect_err(|error| {
            if is_sealed && error.kind() != ErrorKind::Unknown {
                self.history.take_back();
            }
        });
        self.note_policy(point)?;
        unsealed?;
        let now = self.open()?.next_offset()?;
        assert_eq!(now, next + u64::from(is_sealed), "G2: unsealed at {next}");
        self.promise_all();
        self.note_promise()
    }
}
