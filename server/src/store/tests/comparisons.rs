use nibble_app::domain::{COMPARISONS, Comparison, ComparisonEnd, Plan};

use super::*;

on_every_database! {
    comparisons_are_their_owners_and_read_by_all
    there_are_only_so_many_comparisons
}

fn comparison(id: u128) -> Comparison {
    Comparison {
        id: Id(id),
        created: i64::try_from(id).unwrap(),
        plan: Plan {
            prompt: "why?\0 中".to_owned(),
            ..Plan::default()
        },
        model: "Tiny".to_owned(),
        cpu: None,
        version: "1".to_owned(),
        lanes: Vec::new(),
        end: None,
    }
}

async fn comparisons_are_their_owners_and_read_by_all(Place { store, .. }: &Place) {
    for id in [1, 2] {
        store.begin_comparison(ME, &comparison(id)).await.unwrap();
    }
    let mut ended = comparison(1);
    ended.end = Some(ComparisonEnd::Stopped);
    store.end_comparison(&ended).await.unwrap();
    let found = store.comparison(ME, Id(1)).await.unwrap();
    assert_eq!(found, Some((ended.clone(), true)));
    let found = store.comparison(OTHER, Id(1)).await.unwrap();
    assert_eq!(found, Some((ended.clone(), false)));
    assert_eq!(store.comparison(ME, Id(3)).await.unwrap(), None);
    let listed = store.comparisons(ME).await.unwrap();
    assert_eq!(listed, [comparison(2), ended]);
    assert_eq!(store.comparisons(OTHER).await.unwrap(), []);
    assert!(!store.delete_comparison(OTHER, Id(1)).await.unwrap());
    assert!(store.delete_comparison(ME, Id(1)).await.unwrap());
    assert_eq!(store.comparison(ME, Id(1)).await.unwrap(), None);
}

async fn there_are_only_so_many_comparisons(Place { store, .. }: &Place) {
    for id in 0..COMPARISONS as u128 {
        store.begin_comparison(ME, &comparison(id)).await.unwrap();
    }
    let more = comparison(1000);
    let refused = store.begin_comparison(ME, &more).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there may be at most 50 comparisons of yours"
    );
    store.begin_comparison(OTHER, &more).await.unwrap();
}
