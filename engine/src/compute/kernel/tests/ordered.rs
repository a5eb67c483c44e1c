//! Matrices whose columns are not as activations have them.

use super::*;

#[test]
fn activations_are_brought_into_the_order_of_a_matrix_however_they_are_rounded() {
    let mut random = Random::new(12);
    let (rows, blocks_in_row) = (17, 4);
    let cols = blocks_in_row * BLOCK;
    let groups: Vec<_> = (0..cols as u32).map(|col| col * 37 / 32 % 4).collect();
    let order = Arc::new(ColumnOrder::by_group(&groups).unwrap());
    let settings: [fn(&mut Activations); 3] =
        [|_| {}, Activations::round_by_row, Activations::keep_floats];
    for (kernel, format) in supported().flat_map(|kernel| Format::QUANTIZED.map(|f| (kernel, f))) {
        let blocks = random.blocks(format, rows, blocks_in_row);
        let plain = pack(kernel, format, rows, &blocks);
        let ordered = pack_in_order(Some(order.clone()), kernel, format, rows, &blocks);
        for m in [1, 5, 40] {
            let x = random.floats(m * cols);
            let mut gathered = vec![0.0; x.len()];
            for (x, to) in x.chunks(cols).zip(gathered.chunks_mut(cols)) {
                order.gather(x, to);
            }
            for setting in settings {
                let product = |matrix, x| {
                    let mut activations = Activations::default();
                    setting(&mut activations);
                    bits(&product_of(activations, kernel, matrix, x, 2))
                };
                let expected = product(&plain, &gathered);
                assert_eq!(product(&ordered, &x), expected, "{kernel:?} {format:?} {m}");
            }
        }
    }
}
