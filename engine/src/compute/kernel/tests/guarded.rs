//! Products of weights and into sums that end where memory does: a kernel that touches a byte too many dies here.

use memmap2::MmapMut;
use rustix::mm::{MprotectFlags, mprotect};

use super::*;

/// Memory whose end is followed by a page that can neither be read nor written.
struct Guarded {
    mapping: MmapMut,
    end: usize,
}

impl Guarded {
    fn new(len: usize) -> Self {
        let page = rustix::param::page_size();
        let end = len.next_multiple_of(page);
        let mut mapping = MmapMut::map_anon(end + page).unwrap();
        let guard = mapping[end..].as_mut_ptr().cast();
        // SAFETY: the page is the mapping's last, and nothing below reaches it through the mapping.
        unsafe { mprotect(guard, page, MprotectFlags::empty()) }.unwrap();
        Self { mapping, end }
    }

    /// The last `len` bytes, and `slack` bytes behind them.
    fn last(&mut self, len: usize, slack: usize) -> &mut [u8] {
        &mut self.mapping[self.end - slack - len..self.end - slack]
    }
}

#[test]
fn kernels_stay_within_weights_and_sums_however_these_are_aligned() {
    let mut random = Random::new(10);
    let pool = &mut Pool::new(1).unwrap();
    for kernel in supported() {
        for format in Format::QUANTIZED {
            for blocks in [1, 2, 5] {
                let rows = 3 * kernel.spec().tile.rows;
                let matrix = pack(kernel, format, rows, &random.blocks(format, rows, blocks));
                let tiles = matrix.tiles(0..matrix.tile_count());
                let mut weights = Guarded::new(tiles.bytes.len() + 3);
                for slack in [0, 1, 3] {
                    let bytes = weights.last(tiles.bytes.len(), slack);
                    bytes.copy_from_slice(tiles.bytes);
                    let guarded = Tiles { bytes, ..tiles };
                    for m in [1, 2, 3, 4, 5, 8, 9, 12, 13] {
                        let x = random.floats(m * blocks * BLOCK);
                        let mut activations = Activations::default();
                        let layout = layout_for(&[&matrix]);
                        let source = StoredRows {
                            values: &x,
                            cols: blocks * BLOCK,
                        };
                        activations.fill(pool, kernel, layout, &source);
                        let x = &activations.panel(0);

                        let mut expected = vec![0.0; m * rows];
                        kernel.multiply(&tiles, x, &mut expected);
                        let mut sums = Guarded::new(m * rows * size_of::<f32>());
                        let sums = sums.last(m * rows * size_of::<f32>(), 0);
                        let sums: &mut [f32] = bytemuck::cast_slice_mut(sums);
                        kernel.multiply(&guarded, x, sums);
                        assert_eq!(bits(sums), bits(&expected), "{kernel:?} {format:?} {m}");
                    }
                }
            }
        }
    }
}
