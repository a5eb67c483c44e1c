//! What a lane is loaded as, and the tiny model in lanes of every kind.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use futures::executor::block_on;
use nibble_engine::{Event, PrefixFolder, Prompt, Request, pack};

use super::*;
use crate::test_support::scripted::offer;

const TINY: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../engine/tests/fixtures/tiny.gguf"
);

fn model(file: Option<&str>, context: usize) -> Offer {
    let mut model = offer("Other", file.map(PathBuf::from));
    model.info.context = context;
    model
}

fn tiny() -> Offer {
    model(Some(TINY), 64)
}

/// A lane of the one model that there is.
fn lane(weights: Weights) -> Lane {
    Lane {
        kernel: "scalar".into(),
        threads: 1,
        weights,
        model: String::new(),
    }
}

/// An engine of the tiny model, and whether its weights had to be packed.
fn loaded(lanes: &EngineLanes, weights: Weights) -> (Arc<dyn Generator>, bool) {
    let is_packed = AtomicBool::new(false);
    let plan = lanes.plan(&lane(weights), &tiny()).unwrap();
    let engine = (plan.load)(&|_, _| is_packed.store(true, Ordering::Relaxed)).unwrap();
    assert!(plan.bytes > engine.info().weight_bytes);
    assert_eq!((plan.context, engine.info().context), (64, 64));
    (engine, is_packed.into_inner())
}

#[test]
fn a_lane_changes_what_it_says_and_keeps_nothing_of_the_chats() {
    let options = LoadOptions {
        model: "first.gguf".into(),
        packed: PackedCache::File("a".into()),
        kv_bytes: Some(1),
        context: Some(9000),
        prefix_folder: Some(PrefixFolder {
            path: "b".into(),
            bytes: 1,
        }),
        pin: true,
        ..LoadOptions::default()
    };
    let lanes = EngineLanes::new(options);
    let lane = |weights| Lane {
        kernel: "scalar".into(),
        threads: 3,
        weights,
        model: "other".into(),
    };
    let other = model(Some("other.gguf"), 512);
    let of = |weights| lanes.options(&lane(weights), &other).unwrap();
    let served = of(Weights::Served);
    assert_eq!(
        (served.threads, served.kernel.as_deref()),
        (Some(3), Some("scalar"))
    );
    assert_eq!(
        (served.context, served.kv_bytes, served.pin),
        (Some(512), None, true)
    );
    assert_eq!(served.model, PathBuf::from("other.gguf"));
    assert!(matches!(served.packed, PackedCache::Off));
    assert_eq!(served.prefix_folder, None);
    let held = |weights| of(weights).rounding;
    assert_eq!(held(Weights::Float).quantize, Quantize::None);
    assert_eq!(held(Weights::Channel).quantize.to_string(), "channel");
    assert_eq!(held(Weights::Group32).quantize.to_string(), "g32");
    assert!(held(Weights::Head4).int4_head && !held(Weights::Served).int4_head);
}

#[test]
fn a_lane_of_a_long_context_has_a_short_one_and_one_without_a_file_is_refused() {
    let lanes = EngineLanes::new(LoadOptions::default());
    let lane = Lane::default();
    let long = lanes.options(&lane, &model(Some("a"), 131_072)).unwrap();
    assert_eq!(long.context, Some(CONTEXT));
    let refused = lanes.options(&lane, &model(None, 512)).unwrap_err();
    assert_eq!(refused.to_string(), "the model comes from no file");
}

#[test]
fn every_way_to_hold_weights_is_loaded_and_answers() {
    let lanes = EngineLanes::new(LoadOptions::default());
    let weight_bytes = Weights::ALL.map(|weights| {
        let (engine, is_packed) = loaded(&lanes, weights);
        assert!(is_packed, "{weights:?}");
        let info = engine.info();
        let held = match weights {
            Weights::Float => "not quantised, ",
            Weights::Channel => "int4 in groups of a row, ",
            Weights::Served | Weights::Group32 | Weights::Head4 => "int4 in groups of 32, ",
        };
        assert!(info.quantization.starts_with(held), "{info:?}");
        let request = Request {
            prompt: Prompt::Raw("the quick brown fox".into()),
            max_tokens: 4,
            ..Request::default()
        };
        let answer = engine.submit(request).unwrap();
        let events: Vec<_> = block_on(answer.collect());
        let end = events.last();
        assert!(
            matches!(end, Some(Event::Finished(_))),
            "{weights:?} {end:?}"
        );
        info.weight_bytes
    });
    let [served, _, _, float, head4] = weight_bytes;
    assert!(head4 < served && served < float, "{weight_bytes:?}");
}

#[test]
fn weights_that_were_packed_for_a_choice_are_not_packed_again() {
    let folder = tempfile::tempdir().unwrap();
    let lanes = EngineLanes::new(LoadOptions {
        packed: PackedCache::Folder(folder.path().to_owned()),
        ..LoadOptions::default()
    });
    // Loading it does not keep so small a model.
    let options = lanes.options(&lane(Weights::Group32), &tiny()).unwrap();
    pack(&options, &|_, _| ()).unwrap();
    let is_packed = |weights| loaded(&lanes, weights).1;
    assert!(!is_packed(Weights::Group32));
    assert!(is_packed(Weights::Channel) && is_packed(Weights::Float));
}

#[test]
fn where_nothing_is_rounded_every_way_that_is_offered_can_be_loaded() {
    let lanes = EngineLanes::new(LoadOptions {
        rounding: Rounding {
            quantize: Quantize::None,
            ..Rounding::default()
        },
        ..LoadOptions::default()
    });
    let offered = lanes.weights();
    assert_eq!(offered.len(), Weights::ALL.len() - 1);
    for weights in offered {
        let plan = lanes.plan(&lane(weights), &tiny());
        assert!(plan.is_ok(), "{weights:?}");
    }
    assert!(lanes.plan(&lane(Weights::Head4), &tiny()).is_err());
}
