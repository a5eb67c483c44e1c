//! Modules of the pages import each other one way: no two need each other, over however many others.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// For each top-level module those that it names in `use crate::`.
type Imports = BTreeMap<String, BTreeSet<String>>;

fn read(folder: &Path, module: Option<&str>, imports: &mut Imports) {
    for entry in fs::read_dir(folder).expect("the sources are here") {
        let path = entry.expect("a folder can be read to its end").path();
        let stem = path.file_stem().and_then(|stem| stem.to_str());
        let module = module.or(stem).expect("names of modules are text");
        if path.is_dir() {
            read(&path, Some(module), imports);
        } else if module != "lib" {
            let source = fs::read_to_string(&path).expect("a source is text");
            let uses = source
                .lines()
                .filter_map(|line| line.strip_prefix("use crate::"));
            let named = uses.map(|used| {
                let end = used.find([':', ';']).unwrap_or(used.len());
                used[..end].to_owned()
            });
            imports.entry(module.to_owned()).or_default().extend(named);
        }
    }
}

#[test]
fn no_module_needs_itself_through_others() {
    let mut imports = Imports::new();
    read(
        &Path::new(env!("CARGO_MANIFEST_DIR")).join("src"),
        None,
        &mut imports,
    );
    assert!(imports["actions"].contains("answer"), "{imports:#?}");
    // What needs nothing that is left, is taken away; a circle stays.
    while let Some(free) = imports
        .iter()
        .find(|(_, needs)| needs.iter().all(|need| !imports.contains_key(need)))
        .map(|(module, _)| module.clone())
    {
        imports.remove(&free);
    }
    assert!(imports.is_empty(), "these need each other: {imports:#?}");
}
