//! Layers whose attention sees only the last positions, as a `config.json` names them.

use crate::architecture::Windows;

/// A window over the positions.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Window {
    /// Positions that a query sees, its own included.
    pub(crate) size: usize,
    /// For each layer whether it has the window.
    pub(crate) layers: Vec<bool>,
}

/// The keys as they stand in the file.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawWindow<'a> {
    pub(super) sliding_window: Option<u64>,
    pub(super) use_sliding_window: bool,
    /// The first layer with a window; of no meaning beside `layer_types`.
    pub(super) max_window_layers: u64,
    pub(super) layer_types: Option<&'a [String]>,
}

impl RawWindow<'_> {
    /// The window of a model of so many layers, if it has one.
    pub(super) fn check(self, rule: Windows, layers: usize) -> Result<Option<Window>, String> {
        let used = match rule {
            Windows::NoLayer => return Ok(None),
            Windows::EveryLayer => true,
            Windows::NamedLayers => self.use_sliding_window,
        };
        let size = self.sliding_window.filter(|_| used);
        if size == Some(0) {
            return Err("`sliding_window` must be at least 1, found 0".into());
        }
        let named = match self.layer_types {
            Some(types) => windowed(types, layers)?,
            None if rule == Windows::EveryLayer => vec![size.is_some(); layers],
            None => {
                let first = |layer: usize| size.is_some() && layer as u64 >= self.max_window_layers;
                (0..layers).map(first).collect()
            }
        };
        match (named.contains(&true), size) {
            (false, None) => Ok(None),
            (true, None) => Err(
                "`layer_types` names `sliding_attention`, and there is no `sliding_window`".into(),
            ),
            (_, Some(_)) if rule == Windows::EveryLayer && named.contains(&false) => Err(
                "`layer_types` must all be `sliding_attention` here, found `full_attention`".into(),
            ),
            (false, Some(_)) => Ok(None),
            // A window that no memory could fill is none.
            (true, Some(size)) => Ok(usize::try_from(size).ok().map(|size| Window {
                size,
                layers: named,
            })),
        }
    }
}

/// Whether each layer has a window.
fn windowed(types: &[String], layers: usize) -> Result<Vec<bool>, String> {
    if types.len() != layers {
        return Err(format!(
            "`layer_types` must name {layers} layers, found {}",
            types.len()
        ));
    }
    let types = types.iter().map(|kind| match kind.as_str() {
        "sliding_attention" => Ok(true),
        "full_attention" => Ok(false),
        other => Err(format!(
            "`layer_types` must be `full_attention` or `sliding_attention`, found `{other}`"
        )),
    });
    types.collect()
}
