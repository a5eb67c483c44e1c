use std::fs;
use std::path::Path;

use super::*;
use crate::model::{Model, NewTokens};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf");

/// Logits of a model that may use `cache`, and whether the packed file was there and fitted.
fn logits(
    source: &Path,
    cache: &PackedCache,
    kernel: &str,
    rounding: Rounding,
) -> (Vec<u32>, bool) {
    let kernel = kernel::choose(Some(kernel)).unwrap();
    let mut pool = Pool::new(2).unwrap();
    let gguf = Gguf::open(source).unwrap();
    let config = ModelConfig::from_gguf(&gguf).unwrap();
    let file = PackedFile::of(cache, &gguf, rounding, kernel);
    let packing = weights::plan(&gguf, &config, rounding, kernel).unwrap();
    let fits = file
        .as_ref()
        .is_some_and(|file| file.read(&packing, &mut pool).is_some());
    drop(packing);
    let mut model = Model::load(&gguf, config, rounding, kernel, pool, file.as_ref()).unwrap();
    let mut cache = model.new_cache();
    let batch = &mut [NewTokens {
        tokens: &[1, 5, 9, 3],
        cache: &mut cache,
    }];
    let logits = model.forward(batch, &|| false).unwrap();
    (logits.iter().map(|v| v.to_bits()).collect(), fits)
}

fn stored() -> Rounding {
    Rounding::default()
}

#[test]
fn a_packed_file_gives_the_bits_of_its_source_for_every_kernel_and_rounding() {
    let folder = tempfile::tempdir().unwrap();
    for kernel in kernel::supported().map(|kernel| kernel.name) {
        for (channelwise, int4_head) in [(false, false), (true, false), (false, true), (true, true)]
        {
            let rounding = Rounding {
                channelwise,
                int4_head,
            };
            let file = PackedCache::File(folder.path().join(format!("{kernel}{rounding:?}")));
            let (expected, fits) = logits(TINY.as_ref(), &file, kernel, rounding);
            assert!(!fits);
            assert_eq!(
                logits(TINY.as_ref(), &file, kernel, rounding),
                (expected, true)
            );
        }
    }
}

#[test]
fn a_file_of_another_rounding_layout_or_source_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("tiny.gguf");
    fs::copy(TINY, &source).unwrap();
    let file = PackedCache::File(folder.path().join("packed"));
    logits(&source, &file, "scalar", stored());
    let channelwise = Rounding {
        channelwise: true,
        ..stored()
    };
    for rounding in [channelwise, stored()] {
        assert!(!logits(&source, &file, "scalar", rounding).1);
        assert!(logits(&source, &file, "scalar", rounding).1);
    }
    // The fastest kernel of any CPU has another layout than `scalar`.
    let fastest = kernel::choose(None).unwrap().name;
    assert!(fastest == "scalar" || !logits(&source, &file, fastest, stored()).1);
    assert!(logits(&source, &file, fastest, stored()).1);
    let later = std::time::SystemTime::now() + Duration::from_secs(60);
    File::options()
        .write(true)
        .open(&source)
        .unwrap()
        .set_modified(later)
        .unwrap();
    assert!(!logits(&source, &file, fastest, stored()).1);
}

#[test]
fn a_damaged_file_is_noticed_and_replaced_whatever_is_wrong_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed");
    let file = PackedCache::File(path.clone());
    let (expected, _) = logits(TINY.as_ref(), &file, "scalar", stored());
    let whole = fs::read(&path).unwrap();
    let lengths = [0, 7, 8, 100, whole.len() / 2, whole.len() - 1].map(|len| whole[..len].to_vec());
    let flips = if crate::emulated() { 20 } else { 60 };
    let steps = (0..whole.len()).step_by(whole.len() / flips);
    let flipped = steps.map(|at| {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x10;
        bytes
    });
    for damaged in lengths.into_iter().chain(flipped) {
        fs::write(&path, &damaged).unwrap();
        let (found, fits) = logits(TINY.as_ref(), &file, "scalar", stored());
        assert_eq!(found, expected);
        // A flipped bit of the header may be one that nothing depends on.
        assert!(!fits || damaged.len() == whole.len());
        if !fits {
            assert_eq!(fs::read(&path).unwrap().len(), whole.len());
        }
    }
}

#[test]
fn a_place_that_cannot_be_written_costs_only_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let no_folder = folder.path().join("file");
    fs::write(&no_folder, "").unwrap();
    let cache = PackedCache::File(no_folder.join("packed"));
    let (found, fits) = logits(TINY.as_ref(), &cache, "scalar", stored());
    assert!(!fits);
    assert_eq!(
        found,
        logits(TINY.as_ref(), &PackedCache::Off, "scalar", stored()).0
    );
    let options = LoadOptions {
        model: TINY.into(),
        packed: cache,
        ..LoadOptions::default()
    };
    let error = pack(&options, &|_, _| {}).unwrap_err().to_string();
    assert!(
        error.contains("write") && error.contains("packed"),
        "{error}"
    );
}

#[test]
fn packing_that_takes_no_time_is_not_kept() {
    let gguf = Gguf::open(TINY.as_ref()).unwrap();
    let kernel = kernel::choose(None).unwrap();
    let Some(file) = PackedFile::of(&PackedCache::Automatic, &gguf, stored(), kernel) else {
        panic!("there is a cache folder");
    };
    file.keep(&[], &[], Duration::from_millis(500));
    assert!(!file.path.exists());
}
