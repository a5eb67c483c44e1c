use super::*;
use crate::complaint::ComplaintKind;

fn form() -> MessageForm {
    let settings = Settings {
        temperature: 0.2,
        max_tokens: 250,
        system_prompt: "be brief".into(),
        usd_per_hour: 0.94256,
        top_k: Some(40),
        top_p: Some(0.9),
        min_p: Some(0.05),
        seed: Some(7),
        stop: vec!["END".into(), "a b".into()],
        thinking: Some(false),
        thought_tokens: Some(100),
        model: "tiny".into(),
    };
    MessageForm::blank("c", &settings)
}

fn complaint(change: impl FnOnce(&mut MessageForm)) -> (ComplaintKind, String) {
    let mut form = form();
    change(&mut form);
    let complaint = Settings::from_form(&form).unwrap_err();
    (complaint.kind, complaint.reason.to_string())
}

#[test]
fn a_blank_form_gives_its_settings_back() {
    let settings = Settings::from_form(&form()).unwrap();
    assert_eq!(MessageForm::blank("c", &settings), form());
}

#[test]
fn a_temperature_out_of_range_is_named_with_its_range() {
    let (kind, reason) = complaint(|form| form.temperature = "1.01".into());
    assert_eq!(kind, ComplaintKind::Field("temperature"));
    assert_eq!(
        reason,
        "the temperature must be a number from 0 to 1, found `1.01`"
    );
}

#[test]
fn what_is_no_number_is_refused_for_every_number() {
    for typed in ["", "NaN", "inf", "-1", "1e9", "0x10", "٣"] {
        complaint(|form| form.temperature = typed.into());
        complaint(|form| form.max_tokens = typed.into());
        complaint(|form| form.usd_per_hour = typed.into());
    }
}

#[test]
fn what_is_left_empty_is_as_the_model_advises() {
    let mut form = form();
    for field in [
        &mut form.top_k,
        &mut form.top_p,
        &mut form.min_p,
        &mut form.seed,
        &mut form.stop,
        &mut form.thinking,
        &mut form.thought_tokens,
        &mut form.model,
    ] {
        field.clear();
    }
    let settings = Settings::from_form(&form).unwrap();
    let expected = Settings {
        temperature: 0.2,
        max_tokens: 250,
        system_prompt: "be brief".into(),
        usd_per_hour: 0.94256,
        ..Settings::default()
    };
    assert_eq!(settings, expected);
}

#[test]
fn further_settings_out_of_range_are_named_with_their_limits() {
    let (kind, reason) = complaint(|form| form.top_p = "0".into());
    assert_eq!(kind, ComplaintKind::Field("top_p"));
    assert_eq!(reason, "top-p must be a number from 0.01 to 1, found `0`");
    let (_, reason) = complaint(|form| form.stop = "a\nb\n\nc\nd\ne".into());
    assert_eq!(
        reason,
        "there may be at most 4 stop texts, one a line, found 5"
    );
    let (kind, _) = complaint(|form| form.stop = "x".repeat(STOP_BYTES + 1));
    assert_eq!(kind, ComplaintKind::Field("stop"));
    complaint(|form| form.seed = "-1".into());
}

#[test]
fn the_longest_answer_is_a_whole_number() {
    let (_, reason) = complaint(|form| form.max_tokens = "20.5".into());
    assert_eq!(
        reason,
        "max response tokens must be a whole number from 10 to 1,000, found `20.5`"
    );
}

#[test]
fn a_system_prompt_over_its_limit_is_refused() {
    let (kind, _) = complaint(|form| form.system_prompt = "x".repeat(SYSTEM_PROMPT_BYTES + 1));
    assert_eq!(kind, ComplaintKind::Field("system_prompt"));
}

#[test]
fn a_question_loses_its_blank_ends_and_foreign_line_ends() {
    let mut form = form();
    form.message = " a\r\nb\n".into();
    assert_eq!(form.question(false).unwrap(), "a\nb");
    form.message = " \r\n ".into();
    let empty = form.question(false).unwrap_err();
    assert_eq!(empty.reason.to_string(), "the message is empty");
    assert_eq!(form.question(true).unwrap(), "");
}

#[test]
fn a_question_over_its_limit_is_refused() {
    let mut form = form();
    form.message = "x".repeat(MESSAGE_BYTES);
    assert!(form.question(true).is_ok());
    form.message.push('x');
    assert_eq!(
        form.question(true).unwrap_err().reason.to_string(),
        "the message may have at most 32 KiB, found 33 KiB"
    );
}
