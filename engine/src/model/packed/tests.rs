use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use super::*;
use crate::compute::block::Block;
use crate::compute::matrix::{CHUNK_BYTES, Format, RowSource};
use crate::files::checkpoint::Written;
use crate::files::checkpoint::written::quantized::{Method, Quantized, pair, write};
use crate::load::packed_file;
use crate::model::calibration;
use crate::model::forward::{Model, NewTokens};
use crate::model::source::ModelSource;
use crate::model::weights::{self, QuantScheme, Quantize, Rounding};
use crate::{Calibration, LoadOptions, pack};

const TINY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/tiny.gguf");

fn files(source: &ModelSource) -> Option<SourceFingerprint> {
    SourceFingerprint::of(source.files())
}

/// Logits of a model that may use `cache`, and whether the packed file was there and fitted.
fn logits(
    source: &Path,
    cache: &PackedCache,
    kernel: &str,
    rounding: Rounding,
) -> (Vec<u32>, bool) {
    let kernel = kernel::choose(Some(kernel)).unwrap();
    let mut pool = Pool::new(2).unwrap();
    let source = ModelSource::open(source).unwrap();
    let config = source.config().clone();
    let file = packed_file(cache, &source, files(&source), rounding.into(), kernel).unwrap();
    let packing = weights::plan(source.tensors(), &config, rounding, kernel).unwrap();
    let fits = file
        .as_ref()
        .is_some_and(|file| file.read(&packing, &mut pool).is_some());
    drop(packing);
    let mut model = Model::load(
        source.tensors(),
        config,
        rounding,
        kernel,
        pool,
        file.as_ref(),
    )
    .unwrap();
    let mut cache = model.new_cache();
    let batch = &mut [NewTokens {
        tokens: &[1, 5, 9, 3],
        cache: &mut cache,
        draft: &[],
        wants_logits: true,
        reader: None,
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
    for kernel in kernel::supported().map(Kernel::name) {
        for (name, int4_head, int4_embedding) in [
            ("g32", false, false),
            ("channel", false, true),
            ("g64-min", true, false),
            ("g128", true, true),
        ] {
            let rounding = Rounding {
                quantize: name.parse().unwrap(),
                int4_head,
                int4_embedding,
                kv: None,
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
fn a_packed_file_of_columns_in_act_order_gives_the_bits_of_its_source() {
    let how = Quantized {
        method: Method::Gptq,
        group: Some(64),
        symmetric: false,
        act_order: true,
    };
    let mut config = crate::files::checkpoint::written::config(64);
    for (key, size) in [("hidden_size", 128), ("intermediate_size", 256)] {
        config[key] = size.into();
    }
    let [tensors, _] = pair(&config, how);
    config["quantization_config"] = how.config();
    let source = write(&config, &tensors);
    let folder = tempfile::tempdir().unwrap();
    for kernel in kernel::supported().map(Kernel::name) {
        let file = PackedCache::File(folder.path().join(kernel));
        let (expected, fits) = logits(source.path(), &file, kernel, stored());
        assert!(!fits);
        assert_eq!(
            logits(source.path(), &file, kernel, stored()),
            (expected, true)
        );
    }
}

#[test]
fn a_file_of_another_rounding_layout_or_source_is_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("tiny.gguf");
    fs::copy(TINY, &source).unwrap();
    let file = PackedCache::File(folder.path().join("packed"));
    logits(&source, &file, "scalar", stored());
    // Floats are not kept.
    let others = Quantize::NAMES[1..].iter().map(|(_, quantize)| Rounding {
        quantize: *quantize,
        ..stored()
    });
    for rounding in others.chain([stored()]) {
        assert!(!logits(&source, &file, "scalar", rounding).1);
        assert!(logits(&source, &file, "scalar", rounding).1);
    }
    // The fastest kernel of any CPU has another layout than `scalar`.
    let fastest = kernel::choose(None).unwrap().name();
    assert!(fastest == "scalar" || !logits(&source, &file, fastest, stored()).1);
    assert!(logits(&source, &file, fastest, stored()).1);
    // A file that was only copied or touched is still the same; one that looks the same but for the time at which the
    // system changed it is not.
    let written = fs::metadata(&source).unwrap().modified().unwrap();
    let mut bytes = fs::read(&source).unwrap();
    let rewrite = |bytes: &[u8]| {
        fs::write(&source, bytes).unwrap();
        let file = File::options().write(true).open(&source).unwrap();
        file.set_modified(written).unwrap();
    };
    rewrite(&bytes);
    let fingerprint = || {
        let packed = File::open(folder.path().join("packed")).unwrap();
        reading::value(&packed, reading::FINGERPRINT)
    };
    let before = fingerprint();
    assert!(logits(&source, &file, fastest, stored()).1);
    // The new fingerprint is noted, so that the next start need not hash it.
    assert_ne!(fingerprint(), before);
    let noted = fingerprint();
    assert!(logits(&source, &file, fastest, stored()).1);
    assert_eq!(fingerprint(), noted);
    *bytes.last_mut().unwrap() ^= 1;
    rewrite(&bytes);
    assert!(!logits(&source, &file, fastest, stored()).1);
    assert!(logits(&source, &file, fastest, stored()).1);
}

#[test]
fn every_rounding_has_a_name_of_its_own() {
    let ends = [(false, false), (true, false), (false, true), (true, true)];
    let names = Quantize::NAMES.iter().flat_map(|(_, quantize)| {
        ends.map(|(int4_head, int4_embedding)| Rounding {
            quantize: *quantize,
            int4_head,
            int4_embedding,
            kv: None,
        })
    });
    let names: BTreeSet<_> = names
        .map(|one| QuantScheme::from(one).description())
        .collect();
    assert_eq!(names.len(), Quantize::NAMES.len() * ends.len());
    // Another name would have every file packed anew.
    assert_eq!(
        QuantScheme::from(stored()).description(),
        "g32-min, head as stored, "
    );
}

#[test]
fn a_file_of_another_calibration_is_not_used() {
    let folder = tempfile::tempdir().unwrap();
    let cache = PackedCache::File(folder.path().join("packed"));
    let rounding = Rounding {
        quantize: "channel".parse().unwrap(),
        int4_head: true,
        ..stored()
    };
    let text = |text: &str| Some(Calibration(text.into()));
    let options = LoadOptions {
        model: TINY.into(),
        packed: cache.clone(),
        rounding,
        calibration: text("one"),
        ..LoadOptions::default()
    };
    pack(&options, &|_, _| {}).unwrap();
    let source = ModelSource::open(TINY.as_ref()).unwrap();
    let config = source.config();
    let kernel = kernel::choose(None).unwrap();
    let automatic = PackedCache::Folder(folder.path().join("cache"));
    let mut paths = Vec::new();
    for (text, fits) in [(None, false), (text("one"), true), (text("other"), false)] {
        let importance = calibration::importance(text.as_ref(), &source, rounding, kernel).unwrap();
        let scheme = QuantScheme {
            rounding,
            importance: importance.as_ref(),
        };
        let file = packed_file(&cache, &source, files(&source), scheme, kernel).unwrap();
        let packing = weights::plan(source.tensors(), config, scheme, kernel).unwrap();
        let pool = &mut Pool::new(1).unwrap();
        let read = file.unwrap().read(&packing, pool);
        assert_eq!(read.is_some(), fits, "{text:?}");
        let automatic = packed_file(&automatic, &source, files(&source), scheme, kernel);
        paths.push(automatic.unwrap().unwrap().path);
    }
    assert!(paths[0] != paths[1] && paths[1] != paths[2] && paths[0] != paths[2]);
}

#[test]
fn floats_are_not_packed() {
    let rounding = Rounding {
        quantize: Quantize::None,
        ..stored()
    };
    let folder = tempfile::tempdir().unwrap();
    let cache = PackedCache::File(folder.path().join("packed"));
    let fastest = kernel::choose(None).unwrap().name();
    for _ in 0..2 {
        assert!(!logits(TINY.as_ref(), &cache, fastest, rounding).1);
    }
    let options = LoadOptions {
        model: TINY.into(),
        packed: cache,
        rounding,
        ..LoadOptions::default()
    };
    let error = pack(&options, &|_, _| {}).unwrap_err().to_string();
    assert!(error.contains("nothing to pack"), "{error}");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
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
fn the_file_says_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("packed");
    logits(
        TINY.as_ref(),
        &PackedCache::File(path.clone()),
        "scalar",
        stored(),
    );
    let bytes = fs::read(&path).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let embedding = tensors.tensor("token_embd").unwrap();
    assert_eq!(
        embedding.data().as_ptr().addr() % 8,
        bytes.as_ptr().addr() % 8
    );
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let said = header.metadata().as_ref().unwrap();
    assert_eq!(said["nibble.layout_version"], LAYOUT_VERSION);
    let family = "scalar: 1 rows x 16 columns, 1 rows in a byte";
    assert_eq!(said["nibble.kernel_family"], family);
    let digest: [u8; 32] = Sha256::digest(fs::read(TINY).unwrap()).into();
    assert_eq!(said["nibble.source"], hex(&Sha256::digest(digest)));
}

#[test]
fn processes_that_start_at_once_leave_one_whole_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = PackedCache::File(folder.path().join("packed"));
    // What one left that was ended while it wrote.
    let left = folder.path().join(".packed-dead.part");
    fs::write(&left, "half").unwrap();
    let expected = logits(TINY.as_ref(), &PackedCache::Off, "scalar", stored()).0;
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let (found, _) = logits(TINY.as_ref(), &file, "scalar", stored());
                assert_eq!(found, expected);
            });
        }
    });
    assert_eq!(
        logits(TINY.as_ref(), &file, "scalar", stored()),
        (expected, true)
    );
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

/// Small enough for Miri, which cannot compute a model; elsewhere larger than a piece of the file.
#[test]
fn what_is_written_is_read_and_checked_by_all_threads() {
    let rows = if cfg!(miri) { 5 } else { 4000 };
    let cols = if cfg!(miri) { 64 } else { 2048 };
    let folder = tempfile::tempdir().unwrap();
    let (source, path) = (folder.path().join("source"), folder.path().join("packed"));
    fs::write(&source, Written::model("llama", &[]).bytes()).unwrap();
    let kernel = kernel::choose(Some("scalar")).unwrap();
    let pool = &mut Pool::new(3).unwrap();
    let source = ModelSource::open(&source).unwrap();
    let file = PackedCache::File(path.clone());
    let file = packed_file(&file, &source, files(&source), stored().into(), kernel);
    let file = file.unwrap().unwrap();
    let packing = || {
        let mut packing = Packing::new(kernel);
        for name in ["one", "other"] {
            let block = |row: usize, index: usize| Block {
                quants: std::array::from_fn(|i| (row * 31 + index * 7 + i) as i8 & 15),
                ..Block::ZERO
            };
            packing.add(
                name,
                [rows, cols],
                Format::Int4Symmetric,
                RowSource::of_blocks(block),
            );
        }
        packing
    };
    let writer = file.keep(&packing()).unwrap();
    let matrices = packing().pack(pool).unwrap();
    assert!(cfg!(miri) || matrices["one"].bytes() > 2 * CHUNK_BYTES);
    writer.keep(&matrices, pool);
    let read = file.read(&packing(), pool).unwrap();
    assert_eq!(read.len(), matrices.len());
    for (name, matrix) in &matrices {
        assert_eq!(read[name].packed_bytes(), matrix.packed_bytes());
    }
    let whole = fs::read(&path).unwrap();
    for at in [
        0,
        20,
        whole.len() - matrices["one"].bytes(),
        whole.len() - 1,
    ] {
        let mut bytes = whole.clone();
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        assert!(file.read(&packing(), pool).is_none(), "damaged at {at}");
    }
}

#[test]
fn a_name_that_belongs_to_another_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        let options = LoadOptions {
            model: TINY.into(),
            packed: PackedCache::File(path.clone()),
            ..LoadOptions::default()
        };
        let error = pack(&options, &|_, _| {}).unwrap_err().to_string();
        assert!(
            error.contains(name) && error.contains("another file"),
            "{error}"
        );
        assert_eq!(fs::read(&path).unwrap(), bytes);
    };
    refused("model.gguf", &fs::read(TINY).unwrap());
    let none = Vec::<(&str, safetensors::tensor::TensorView<'_>)>::new();
    refused(
        "model.safetensors",
        &safetensors::serialize(none, None).unwrap(),
    );
}

#[test]
fn a_place_that_cannot_be_written_costs_only_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let cache = PackedCache::File(folder.path().join("missing").join("packed"));
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
    assert!(error.contains("cannot write `"), "{error}");
    assert!(error.contains("no folder `"), "{error}");
}

#[test]
fn weights_that_are_packed_in_no_time_are_not_kept() {
    let source = ModelSource::open(TINY.as_ref()).unwrap();
    let kernel = kernel::choose(None).unwrap();
    let folder = PackedCache::Folder("cache".into());
    let file = packed_file(&folder, &source, files(&source), stored().into(), kernel);
    let file = file.unwrap().unwrap();
    let config = source.config();
    let packing = weights::plan(source.tensors(), config, stored(), kernel).unwrap();
    assert!(file.keep(&packing).is_none());
}
