//! What the loops of the x86-64 kernels need of an instruction set.

use crate::compute::kernel::tile_layout::TileLayout;

/// Consecutive columns of a row in a lane.
pub(super) const DEPTH: usize = 4;

/// One instruction set.
pub(in crate::compute::kernel) trait Isa: Copy {
    /// A register of integers.
    type Ints: Copy;
    /// A register of as many `f32` as a tile has rows.
    type Floats: Copy;
    /// Rows of a tile: the 32-bit lanes of a register.
    const ROWS: usize;
    /// Whether there are 32 registers rather than 16: room for a block of weights and the sums of four rows, or for two blocks
    /// and the sums of six rows with each.
    const HAS_MANY_REGISTERS: bool;

    /// A register of bytes.
    fn load(self, bytes: &[u8]) -> Self::Ints;
    fn load_floats(self, floats: &[f32]) -> Self::Floats;
    /// Widens a register of f16.
    fn load_halves(self, bytes: &[u8]) -> Self::Floats;
    fn store(self, floats: &mut [f32], register: Self::Floats);
    /// Widens as many bytes as a register has lanes.
    fn load_bytes(self, bytes: &[u8]) -> Self::Ints;
    /// The same with their signs.
    fn load_signed_bytes(self, bytes: &[u8]) -> Self::Ints;
    /// The low and the high nibbles of every byte.
    fn nibbles(self, packed: Self::Ints) -> [Self::Ints; 2];
    /// `a | (b & mask)` of bytes, `b` shifted to the left by so many bits, to the right by a negative number. It may go
    /// beyond the bytes, of which the mask takes none that came from others.
    fn insert(self, a: Self::Ints, b: Self::Ints, left: i32, mask: u8) -> Self::Ints;
    fn splat_ints(self, value: i32) -> Self::Ints;
    fn splat(self, value: f32) -> Self::Floats;
    fn add_ints(self, a: Self::Ints, b: Self::Ints) -> Self::Ints;
    fn sub(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    fn mul(self, a: Self::Floats, b: Self::Floats) -> Self::Floats;
    /// `a * b + c`, rounded once.
    fn mul_add(self, a: Self::Floats, b: Self::Floats, c: Self::Floats) -> Self::Floats;
    /// The same bits.
    fn as_floats(self, ints: Self::Ints) -> Self::Floats;
    fn as_ints(self, floats: Self::Floats) -> Self::Ints;
    fn to_floats(self, ints: Self::Ints) -> Self::Floats;

    /// A sum of products of nibbles that will be `start` plus what is added to it.
    fn begin(self, start: Self::Ints) -> Self::Ints;
    /// Adds the products of nibbles and signed columns; a block's worth never overflows.
    fn multiply_add(self, sum: Self::Ints, nibbles: Self::Ints, columns: Self::Ints) -> Self::Ints;
    /// The sum in 32 bits for each row, given what it began with.
    fn end(self, sum: Self::Ints, start: Self::Ints) -> Self::Ints;

    /// Whether bytes are unsigned when they are multiplied, counted from their lowest number; otherwise they are signed.
    const UNSIGNED: bool;
    /// Signed bytes as they are multiplied, counted from -128 if unsigned.
    fn signed_bytes(self, bytes: Self::Ints) -> Self::Ints;
    /// Unsigned bytes as they are multiplied, counted from `middle` if signed.
    fn unsigned_bytes(self, bytes: Self::Ints, middle: i8) -> Self::Ints;
    /// Adds the products of such bytes and signed columns, in 32 bits.
    fn multiply_add_bytes(
        self,
        sum: Self::Ints,
        bytes: Self::Ints,
        columns: Self::Ints,
    ) -> Self::Ints;

    /// Has the compiler finish one step of all sums before it begins the next: left alone it computes one sum after
    /// the other, and spills what they share.
    fn in_registers(self, sums: &mut [Self::Ints]);
}

/// The layout of an instruction set's tiles.
pub(in crate::compute::kernel) const fn tile_layout<I: Isa>() -> TileLayout {
    TileLayout {
        rows: I::ROWS,
        depth: DEPTH,
        rows_in_byte: 1,
    }
}
