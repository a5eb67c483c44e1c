//! Room for numbers on their way.

/// Floats of a cache line.
const LINE: usize = 16;

/// A buffer that grows to the most that was asked for, and stays. It begins with a cache line: of registers that are as long as
/// one, those that lie in two take twice as long to load and to store.
#[derive(Debug, Default)]
pub(crate) struct Room(Vec<f32>);

impl Room {
    /// Room for so many numbers, which hold anything.
    pub(crate) fn of(&mut self, len: usize) -> &mut [f32] {
        if self.0.len() < len + LINE {
            self.0.resize(len + LINE, 0.0);
        }
        let start = self.start();
        &mut self.0[start..start + len]
    }

    /// The first numbers.
    ///
    /// # Panics
    /// When there was never room for as many.
    pub(crate) fn first(&self, len: usize) -> &[f32] {
        &self.0[self.start()..][..len]
    }

    /// Where the first cache line begins; 0 where there is none, or it cannot be said.
    fn start(&self) -> usize {
        match self.0.as_ptr().align_offset(LINE * size_of::<f32>()) {
            start if start < LINE.min(self.0.len()) => start,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_begins_with_a_cache_line_and_has_as_much_as_was_asked_for() {
        let mut room = Room::default();
        assert!(room.first(0).is_empty());
        for len in [0, 1, 5, 4096, 17] {
            let numbers = room.of(len);
            assert_eq!(numbers.len(), len);
            assert!(cfg!(miri) || numbers.as_ptr().addr().is_multiple_of(64));
            numbers.fill(len as f32);
            assert_eq!(room.first(len), vec![len as f32; len]);
        }
    }
}
