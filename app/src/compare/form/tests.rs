use super::*;
use crate::chat::ModelServed;

fn here() -> Comparing {
    Comparing {
        is_allowed: true,
        kernels: ["scalar", "avx2"].map(str::to_owned).into(),
        weights: Weights::ALL.into(),
        kernel: "avx2".into(),
        threads: 2,
        most_threads: 4,
        usd_per_hour: 1.0,
        ..Comparing::default()
    }
}

/// A machine that serves these models.
fn serving(ids: &[&str]) -> Comparing {
    let models = ids.iter().map(|id| ModelServed {
        id: (*id).to_owned(),
        name: id.to_uppercase(),
        is_loaded: true,
    });
    Comparing {
        models: models.collect(),
        ..here()
    }
}

fn filled(query: &str) -> CompareForm {
    CompareForm::of(query.as_bytes()).filled(Language::English, &here(), None)
}

fn blamed(query: &str) -> (ComplaintKind, String) {
    let complaint = filled(query).plan(&here()).unwrap_err();
    (complaint.kind, complaint.reason.to_string())
}

#[test]
fn a_blank_form_asks_for_the_plain_kernel_against_the_fastest() {
    let plan = filled("").plan(&here()).unwrap();
    let kernels: Vec<_> = plan.lanes.iter().map(|lane| &*lane.kernel).collect();
    assert_eq!(kernels, ["scalar", "avx2"]);
    assert_eq!((plan.max_tokens, plan.rounds, plan.seed), (64, 1, None));
    let preset = CompareForm::default();
    let preset = preset.filled(Language::English, &here(), Some(Preset::Threads));
    let threads = preset.plan(&here()).unwrap().lanes;
    assert_eq!((threads[0].threads, threads[1].threads), (1, 4));
}

#[test]
fn a_form_that_names_a_preset_alone_is_a_whole_plan() {
    let sent = |body: &str| CompareForm::sent(body.as_bytes(), Language::English, &here());
    let plan = sent("preset=threads").plan(&here()).unwrap();
    let threads: Vec<_> = plan.lanes.iter().map(|lane| lane.threads).collect();
    assert_eq!((threads, plan.max_tokens), (vec![1, 4], 64));
    // What names none is as it was typed.
    assert_eq!(sent("seed=7&preset=none").seed, "7");
    assert!(sent("seed=7&preset=none").plan(&here()).is_err());
}

#[test]
fn an_address_holds_a_whole_form() {
    let plan = filled(
        "prompt=a%26b&kernel_1=avx2&weights_1=float&kernel_3=scalar&threads_3=1&seed=7&rounds=3",
    );
    let plan = plan.plan(&here()).unwrap();
    assert_eq!(
        (plan.lanes.len(), plan.lanes[0].weights),
        (2, Weights::Float)
    );
    assert_eq!(
        (plan.lanes[1].threads, plan.seed, plan.rounds),
        (1, Some(7), 3)
    );
    let again = CompareForm::again(&plan);
    assert_eq!(CompareForm::of(again.query().as_bytes()), again);
    let again = again.filled(Language::English, &here(), None);
    assert_eq!(again.plan(&here()).unwrap(), plan);
}

#[test]
fn an_address_leaves_out_a_prompt_that_is_too_long_for_it() {
    let form = |prompt: String| CompareForm {
        prompt,
        seed: "7".into(),
        ..CompareForm::default()
    };
    assert!(form("a".repeat(2048)).query().starts_with("prompt=aaa"));
    // Each character is nine bytes of an address.
    assert_eq!(form("天".repeat(300)).query(), "seed=7");
}

#[test]
fn what_cannot_be_compared_is_named_with_its_limits() {
    let (kind, reason) = blamed("kernel_1=avx2&kernel_2=neon");
    assert_eq!(kind, ComplaintKind::Field("kernel_2"));
    assert_eq!(
        reason,
        "there is no kernel `neon` here; these there are: `scalar`, `avx2`"
    );
    let (kind, reason) = blamed("kernel_1=avx2&kernel_2=avx2&threads_2=5");
    assert_eq!(kind, ComplaintKind::Field("threads_2"));
    assert_eq!(
        reason,
        "the threads of a lane must be a whole number from 1 to 4, found `5`"
    );
    let (_, reason) = blamed("kernel_1=avx2");
    assert_eq!(reason, "there must be at least 2 lanes, found 1");
    for query in [
        "max_tokens=16",
        "max_tokens=257",
        "rounds=6",
        "rounds=0",
        "seed=x",
        "prompt=+",
        "weights_1=int3&kernel_1=avx2&kernel_2=avx2",
    ] {
        blamed(query);
    }
    let long = format!("prompt={}", "x".repeat(PROMPT_BYTES + 1));
    assert_eq!(blamed(&long).0, ComplaintKind::Field("prompt"));
}

#[test]
fn weights_that_cannot_be_held_here_are_refused() {
    let mut here = here();
    let form = filled("kernel_1=avx2&kernel_2=avx2&weights_2=head4");
    assert_eq!(form.plan(&here).unwrap().lanes[1].weights, Weights::Head4);
    here.weights.retain(|weights| *weights != Weights::Head4);
    let complaint = form.plan(&here).unwrap_err();
    assert_eq!(complaint.kind, ComplaintKind::Field("weights_2"));
    assert_eq!(
        complaint.reason.to_string(),
        "there is no way `head4` to hold weights here"
    );
}

/// The models of the plan that a post asks for, which is not filled in.
fn models(lanes: &str, here: &Comparing) -> Result<Vec<String>, Complaint> {
    let rest =
        "prompt=a&max_tokens=20&rounds=1&threads_1=1&threads_2=1&weights_1=served&weights_2=served";
    let form = CompareForm::of(format!("{rest}&kernel_1=avx2&kernel_2=avx2{lanes}").as_bytes());
    let lanes = form.plan(here)?.lanes;
    Ok(lanes.into_iter().map(|lane| lane.model).collect())
}

#[test]
fn a_lane_without_a_model_is_of_the_first_and_keeps_its_name_where_there_are_several() {
    let (one, two) = (serving(&["one"]), serving(&["one", "two"]));
    assert_eq!(models("", &one).unwrap(), ["", ""]);
    assert_eq!(models("&model_2=one", &one).unwrap(), ["", ""]);
    assert_eq!(models("", &two).unwrap(), ["one", "one"]);
    assert_eq!(models("&model_2=two", &two).unwrap(), ["one", "two"]);
    let again = CompareForm::again(&Plan {
        lanes: ["one", "two"]
            .map(|model| Lane {
                model: model.to_owned(),
                ..Lane::default()
            })
            .into(),
        ..Plan::default()
    });
    assert!(again.query().contains("model_1=one") && again.query().contains("model_2=two"));
    assert_eq!(
        CompareForm::of(again.query().as_bytes()).lanes[1].model,
        "two"
    );
}

#[test]
fn a_model_that_is_not_here_is_refused_with_those_that_are() {
    for (ids, all) in [(&["one"][..], "`one`"), (&["one", "two"], "`one`, `two`")] {
        let complaint = models("&model_2=three", &serving(ids)).unwrap_err();
        assert_eq!(complaint.kind, ComplaintKind::Field("model_2"));
        assert_eq!(
            complaint.reason.to_string(),
            format!("there is no model `three` here; these there are: {all}")
        );
    }
}

#[test]
fn an_address_of_models_alone_keeps_them_beside_a_preset_and_tells_of_one_that_is_gone() {
    let here = serving(&["one", "two"]);
    let form =
        |query: &str| CompareForm::of(query.as_bytes()).filled(Language::English, &here, None);
    let plan = form("model_1=two").plan(&here).unwrap();
    let lanes: Vec<_> = plan
        .lanes
        .iter()
        .map(|lane| (&*lane.kernel, &*lane.model))
        .collect();
    assert_eq!(lanes, [("scalar", "two"), ("avx2", "one")]);
    assert!(form("model_1=two").known_models(&here).is_ok());
    let gone = form("model_2=gone").known_models(&here).unwrap_err();
    assert_eq!(gone.kind, ComplaintKind::Field("model_2"));
    // A lane that is none has none.
    assert!(form("model_4=gone").known_models(&here).is_ok());
}
