//! Keys and values in eight bits: what they take, and beside what they are refused. Answers with them are in `company.rs`.

use std::path::Path;

use nibble_engine::{Engine, KvPrecision, LoadOptions, LoadPlan, Quantize, Rounding};

fn options(rounding: Rounding) -> LoadOptions {
    let model = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/tiny.gguf");
    LoadOptions {
        model,
        threads: Some(2),
        rounding,
        ..LoadOptions::default()
    }
}

fn eight_bits() -> LoadOptions {
    options(Rounding {
        kv: Some(KvPrecision::Q8),
        ..Rounding::default()
    })
}

#[test]
fn a_budget_holds_more_blocks_in_eight_bits() {
    let plan = |options: &LoadOptions| LoadPlan::of(options).unwrap();
    let (halves, eight) = (plan(&options(Rounding::default())), plan(&eight_bits()));
    assert_eq!((&*halves.info.kv, &*eight.info.kv), ("f16", "q8"));
    assert!(eight.kv_blocks(1 << 20) * 10 > halves.kv_blocks(1 << 20) * 15);
    let floats = options(Rounding {
        quantize: Quantize::None,
        ..Rounding::default()
    });
    assert_eq!(plan(&floats).info.kv, "f32");
}

#[test]
fn rounding_keys_and_values_beside_floats_is_refused_by_name() {
    for kv in [KvPrecision::Q8, KvPrecision::F16] {
        let options = options(Rounding {
            quantize: Quantize::None,
            kv: Some(kv),
            ..Rounding::default()
        });
        for error in [
            Engine::load(&options).map(drop),
            LoadPlan::of(&options).map(drop),
        ] {
            let error = error.unwrap_err().to_string();
            let said = format!("`kv` {kv}");
            assert!(
                error.contains(&said) && error.contains("`quantize` none"),
                "{error}"
            );
        }
    }
}
