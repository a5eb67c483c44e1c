use std::time::Duration;

use nibble_app::domain::{Expected, Foreseen, Measured};

use super::*;

on_every_database! {
    an_answer_is_measured_at_its_end_and_its_owner_alone_sees_it
    what_is_deleted_or_hidden_is_not_measured
    a_copy_is_not_measured_again
    a_copy_that_is_gone_on_with_is_measured_for_what_came_here
    a_clock_that_is_set_back_loses_no_answer
    an_imported_answer_is_not_measured_whatever_its_file_says
    an_estimate_is_kept_beside_what_the_answer_took
    the_last_answers_of_a_model_are_those_of_all_owners_made_in_the_same_way
    the_last_answers_of_a_model_are_known_behind_any_number_of_another
    the_last_lengths_are_those_that_their_owner_can_read
}

fn origin() -> Origin {
    Origin {
        kernel: "avx2".to_owned(),
        threads: 2,
        ..super::origin()
    }
}

fn end() -> End {
    End {
        reason: EndReason::Complete,
        metrics: Some(Metrics {
            time_to_first_token_s: Some(0.25),
            decode_tokens_per_second: Some(40.125),
            total_s: 1.5,
            usd_total: 0.000_123_456,
            usd_share: 0.000_061,
            beside: 0.5,
            prompt_tokens: 12,
            cached_tokens: 3,
            output_tokens: 20,
            ..Metrics::default()
        }),
    }
}

fn expected(created: i64) -> Measured {
    Measured {
        created,
        time_to_first_token_s: Some(0.25),
        decode_tokens_per_second: Some(40.125),
        prefill_tokens_per_second: None,
        queued_s: 0.0,
        total_s: 1.5,
        usd_total: 0.000_123_456,
        usd_share: 0.000_061,
        beside: 0.5,
        prompt_tokens: 12,
        cached_tokens: 3,
        output_tokens: 20,
        threads: 2,
        expected: None,
        kernel: "avx2".into(),
        model: "Tiny".into(),
    }
}

async fn answered(store: &SqlStore) -> Begun {
    let asked = Ask::First("why?".into());
    let begun = store.begin(ME, asked, origin()).await.unwrap();
    let answer = written(begun.turn.answer.id, "because");
    store.finish(&answer, &end()).await.unwrap();
    begun
}

async fn an_answer_is_measured_at_its_end_and_its_owner_alone_sees_it(Place { store, .. }: &Place) {
    let asked = Ask::First("why?".into());
    let open = store.begin(ME, asked, origin()).await.unwrap();
    assert_eq!(store.measured(ME).await.unwrap(), []);
    store
        .finish(&written(open.turn.answer.id, ""), &End::failed("broken"))
        .await
        .unwrap();
    assert_eq!(store.measured(ME).await.unwrap(), []);
    answered(store).await;
    let measured = store.measured(ME).await.unwrap();
    let created = measured[0].created;
    assert!((now() - created).abs() < 60_000, "{created}");
    assert_eq!(measured, [expected(created)]);
    assert_eq!(store.measured(OTHER).await.unwrap(), []);
}

async fn an_estimate_is_kept_beside_what_the_answer_took(Place { store, .. }: &Place) {
    let asked = Ask::First("why?".into());
    let begun = store.begin(ME, asked, origin()).await.unwrap();
    let mut end = end();
    let foreseen = Foreseen {
        first_s: 0.3,
        total_s: 1.6,
        usd: 0.001,
        output_tokens: 40,
        usual_tokens: Some([20, 60]),
    };
    end.metrics.as_mut().unwrap().foreseen = Some(foreseen);
    let id = begun.turn.answer.id;
    store.finish(&written(id, "because"), &end).await.unwrap();
    let measured = store.measured(ME).await.unwrap();
    let expected = Expected {
        first_s: 0.3,
        total_s: 1.6,
        tokens: Some(40),
    };
    assert_eq!(measured[0].expected, Some(expected));
    let kept = store.answer(id).await.unwrap().unwrap().end.unwrap();
    assert_eq!(kept.metrics.unwrap().foreseen, Some(foreseen));
}

async fn the_last_answers_of_a_model_are_those_of_all_owners_made_in_the_same_way(
    Place { store, .. }: &Place,
) {
    answered(store).await;
    let asked = Ask::First("why?".into());
    let theirs = store.begin(OTHER, asked, origin()).await.unwrap();
    let answer = written(theirs.turn.answer.id, "because");
    store.finish(&answer, &end()).await.unwrap();
    let count = async |of, most| store.last_measured(&of, most).await.unwrap().len();
    assert_eq!(count(origin(), 9).await, 2);
    assert_eq!(count(origin(), 1).await, 1);
    // Those of another model are passed over.
    for _ in 0..3 {
        let asked = Ask::First("why?".into());
        let mut large = origin();
        large.model = "Larger".to_owned();
        let other = store.begin(ME, asked, large).await.unwrap();
        let answer = written(other.turn.answer.id, "because");
        store.finish(&answer, &end()).await.unwrap();
    }
    assert_eq!(count(origin(), 1).await, 1);
    assert_eq!(count(origin(), 2).await, 2);
    let changes: [fn(&mut Origin); 5] = [
        |of| of.model = "Large".to_owned(),
        |of| of.quantization = "floats".to_owned(),
        |of| of.kv = "q8".to_owned(),
        |of| of.kernel = "scalar".to_owned(),
        |of| of.threads = 1,
    ];
    for (which, change) in changes.into_iter().enumerate() {
        let mut other = origin();
        change(&mut other);
        assert_eq!(count(other, 9).await, 0, "{which}");
    }
}

async fn the_last_answers_of_a_model_are_known_behind_any_number_of_another(
    Place { store, .. }: &Place,
) {
    answered(store).await;
    let names: Vec<_> = (1..=900).map(|n| format!("('{n:032x}')")).collect();
    // Both databases name the column of a list so.
    let others = format!(
        "INSERT INTO messages (id, conversation, role, created, text, state, origin, metrics)
         SELECT other.column1, conversation, role, created, text, state, replace(origin, 'Tiny', 'Larger'), metrics
         FROM messages, (VALUES {}) other WHERE role = 'answer'",
        names.join(", ")
    );
    store.execute(&others).await;
    let count = async |of| store.last_measured(&of, 99).await.unwrap().len();
    let mut larger = origin();
    larger.model = "Larger".to_owned();
    assert_eq!(count(larger).await, 99);
    assert_eq!(count(origin()).await, 1);
}

async fn what_is_deleted_or_hidden_is_not_measured(Place { store, .. }: &Place) {
    let [first, second] = [answered(store).await, answered(store).await];
    let count = async || store.measured(ME).await.unwrap().len();
    assert_eq!(count().await, 2);
    let question = first.turn.question.id;
    store.hide(ME, question, true).await.unwrap();
    assert_eq!(count().await, 1);
    store.hide(ME, question, false).await.unwrap();
    let id = second.conversation.id;
    store.change(ME, id, Change::Delete).await.unwrap();
    assert_eq!(count().await, 1);
    store.change(ME, id, Change::Restore).await.unwrap();
    assert_eq!(count().await, 2);
}

async fn a_copy_is_not_measured_again(Place { store, .. }: &Place) {
    let begun = answered(store).await;
    // Times are in milliseconds.
    tokio::time::sleep(Duration::from_millis(2)).await;
    let answer = begun.turn.answer.id;
    store.copy(ME, answer, Copied::Whole).await.unwrap();
    assert_eq!(store.measured(ME).await.unwrap().len(), 1);
    assert_eq!(store.last_measured(&origin(), 9).await.unwrap().len(), 1);
}

async fn a_copy_that_is_gone_on_with_is_measured_for_what_came_here(Place { store, .. }: &Place) {
    let stopped = End {
        reason: EndReason::Stopped,
        ..end()
    };
    let asked = Ask::First("why?".into());
    let first = store.begin(ME, asked, origin()).await.unwrap();
    let id = first.turn.answer.id;
    store.finish(&written(id, "be"), &stopped).await.unwrap();
    let copy = store.copy(ME, id, Copied::Whole).await.unwrap();
    let copied = whole(store, copy).await[0].answer.clone();
    let usd = async || store.conversation(copy).await.unwrap().unwrap().0.usd;
    let count = async || store.measured(ME).await.unwrap().len();
    // It could not be gone on with.
    let begun = store.reopen(ME, copied.id).await.unwrap();
    assert_eq!(begun.before, None);
    store
        .finish(&written(copied.id, "be"), &stopped)
        .await
        .unwrap();
    assert_eq!((count().await, usd().await), (1, 0.0));
    let begun = store.reopen(ME, copied.id).await.unwrap();
    assert_eq!(begun.before, None);
    let mut rest = end();
    if let Some(metrics) = &mut rest.metrics {
        metrics.output_tokens = 7;
        metrics.usd_share = 0.5;
    }
    store
        .finish(&written(copied.id, "because"), &rest)
        .await
        .unwrap();
    assert_eq!((count().await, usd().await), (2, 0.5));
    let mut tokens: Vec<_> = store.last_lengths(ME, &origin(), 9).await.unwrap();
    tokens.sort_unstable();
    assert_eq!(tokens, [7, 20]);
    // What was asked here goes on with what it took.
    let begun = store.reopen(ME, id).await.unwrap();
    assert_eq!(begun.before, stopped.metrics);
}

async fn a_clock_that_is_set_back_loses_no_answer(Place { store, .. }: &Place) {
    answered(store).await;
    store
        .execute("UPDATE messages SET created = created - 1000000")
        .await;
    assert_eq!(store.measured(ME).await.unwrap().len(), 1);
}

async fn the_last_lengths_are_those_that_their_owner_can_read(Place { store, .. }: &Place) {
    let lengths = async |owner| store.last_lengths(owner, &origin(), 9).await.unwrap();
    let [first, second] = [answered(store).await, answered(store).await];
    assert_eq!(lengths(ME).await, [20, 20]);
    assert_eq!(lengths(OTHER).await, [0; 0]);
    assert_eq!(store.last_lengths(ME, &origin(), 1).await.unwrap(), [20]);
    let question = first.turn.question.id;
    store.hide(ME, question, true).await.unwrap();
    let id = second.conversation.id;
    store.change(ME, id, Change::Delete).await.unwrap();
    assert_eq!(lengths(ME).await, [0; 0]);
    // How fast they were is told of all.
    assert_eq!(store.last_measured(&origin(), 9).await.unwrap().len(), 2);
}

async fn an_imported_answer_is_not_measured_whatever_its_file_says(Place { store, .. }: &Place) {
    use nibble_app::domain::Said;

    let begun = answered(store).await;
    let id = begun.conversation.id;
    let (conversation, _) = store.conversation(id).await.unwrap().unwrap();
    let messages = store
        .messages(id, crate::store::Place::default(), 9)
        .await
        .unwrap();
    let mut messages: Vec<_> = messages.into_iter().map(|(_, message)| message).collect();
    let Said::Answer { end, origin, .. } = &mut messages[1].said else {
        panic!("{messages:?}");
    };
    let metrics = end.as_mut().unwrap().metrics.as_mut().unwrap();
    (metrics.total_s, metrics.queued_s) = (1e300, -5.0);
    origin.kernel = "a,b\nc".to_owned();
    origin.model = "d,\n\0\\u0000 e".to_owned();
    let foreign = origin.clone();
    let transcript = Transcript {
        conversation,
        messages,
    };
    store.import(OTHER, &transcript).await.unwrap();
    assert_eq!(store.measured(OTHER).await.unwrap(), []);
    assert_eq!(store.last_measured(&foreign, 9).await.unwrap(), []);
    // Were it of here, its figures would be read all the same.
    store.execute("UPDATE messages SET elsewhere = 0").await;
    let measured = store.measured(OTHER).await.unwrap();
    assert_eq!(measured.len(), 1);
    assert!(measured[0].total_s > 1e9 && measured[0].queued_s == 0.0);
    assert_eq!(measured[0].time_to_first_token_s, Some(0.25));
}
