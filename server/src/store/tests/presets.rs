use nibble_app::presets::PRESETS;

use super::*;

on_every_database! {
    presets_are_saved_replaced_and_deleted
    presets_are_their_owners_alone
    there_are_only_so_many_presets
    settings_of_a_conversation_are_replaced_by_its_owner
}

async fn names(store: &SqlStore, owner: Owner) -> Vec<String> {
    let presets = store.presets(owner).await.unwrap();
    presets.into_iter().map(|preset| preset.name).collect()
}

async fn presets_are_saved_replaced_and_deleted(Place { store, .. }: &Place) {
    for name in ["b", "a", "<b>中\0"] {
        store.save_preset(ME, &preset(name)).await.unwrap();
    }
    let mut changed = preset("a");
    changed.settings.max_tokens = 7;
    store.save_preset(ME, &changed).await.unwrap();
    let presets = store.presets(ME).await.unwrap();
    assert_eq!(presets.len(), 3);
    assert!(presets.contains(&changed) && presets.contains(&preset("b")));
    assert!(presets.contains(&preset("<b>中\u{fffd}")));
    assert!(store.delete_preset(ME, "a").await.unwrap());
    assert!(!store.delete_preset(ME, "a").await.unwrap());
    assert!(!names(store, ME).await.contains(&"a".to_owned()));
}

async fn presets_are_their_owners_alone(Place { store, .. }: &Place) {
    store.save_preset(ME, &preset("mine")).await.unwrap();
    assert!(names(store, OTHER).await.is_empty());
    assert!(!store.delete_preset(OTHER, "mine").await.unwrap());
    let mut other = preset("mine");
    other.settings.system_prompt = "be long".to_owned();
    store.save_preset(OTHER, &other).await.unwrap();
    assert_eq!(store.presets(ME).await.unwrap(), [preset("mine")]);
}

async fn there_are_only_so_many_presets(Place { store, .. }: &Place) {
    for n in 0..PRESETS {
        store
            .save_preset(ME, &preset(&n.to_string()))
            .await
            .unwrap();
    }
    let refused = store.save_preset(ME, &preset("more")).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "there may be at most 20 presets of yours"
    );
    store.save_preset(ME, &preset("0")).await.unwrap();
    store.save_preset(OTHER, &preset("more")).await.unwrap();
    assert_eq!(names(store, ME).await.len(), PRESETS);
}

async fn settings_of_a_conversation_are_replaced_by_its_owner(Place { store, .. }: &Place) {
    let id = asked(store, "one", "1").await.conversation.id;
    let settings = Settings {
        max_tokens: 7,
        ..origin().settings
    };
    let change = Change::Settings(settings.clone());
    assert!(!store.change(OTHER, id, change.clone()).await.unwrap());
    assert!(store.change(ME, id, change).await.unwrap());
    let (found, _) = store.conversation(id).await.unwrap().unwrap();
    assert_eq!(found.settings, settings);
}
