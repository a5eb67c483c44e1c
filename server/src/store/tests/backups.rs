use std::fs;
use std::path::Path;

use super::*;

async fn at(path: &Path) -> Place {
    Place::open(Database::File(path.to_owned())).await
}

#[tokio::test]
async fn a_backup_holds_all_that_was_written_when_it_was_made() {
    let folder = tempfile::tempdir().unwrap();
    let [file, copy] = ["a.db", "copy.db"].map(|name| folder.path().join(name));
    let place = at(&file).await;
    let id = asked(&place.store, "one", "1").await.conversation.id;
    let open = next(&place.store, id, "two").await.turn.answer.id;
    let checkpoint = [written(open, "half")];
    place.store.checkpoint(&checkpoint).await.unwrap();
    backup(&place.database, &copy).await.unwrap();
    place
        .store
        .finish(&written(open, "whole"), &complete(0.5))
        .await
        .unwrap();
    let copied = at(&copy).await;
    assert_eq!(texts(&copied.store, id).await, ["one", "1", "two", "half"]);
    let end = answer(&copied.store, open).await.end.unwrap();
    assert_eq!(end.reason, EndReason::Interrupted);
    let search = nibble_app::chat::ListQuery {
        search: "two".to_owned(),
        from: 0,
    };
    let found = copied.store.list(ME, &search, 9).await.unwrap();
    assert_eq!(found.conversations.len(), 1);
    assert_eq!(texts(&place.store, id).await[3], "whole");
}

#[tokio::test]
async fn a_backup_replaces_nothing_and_leaves_nothing_when_it_fails() {
    let folder = tempfile::tempdir().unwrap();
    let [file, taken] = ["a.db", "taken"].map(|name| folder.path().join(name));
    let place = at(&file).await;
    fs::write(&taken, "mine").unwrap();
    let refused = backup(&place.database, &taken).await.unwrap_err();
    assert!(
        refused.to_string().contains("is there already"),
        "{refused}"
    );
    assert_eq!(fs::read_to_string(&taken).unwrap(), "mine");
    let nowhere = folder.path().join("no/such/folder/copy.db");
    let refused = backup(&place.database, &nowhere).await.unwrap_err();
    assert!(refused.to_string().contains("cannot write"), "{refused}");
    let missing = Database::File(folder.path().join("missing.db"));
    let copy = folder.path().join("copy.db");
    let refused = backup(&missing, &copy).await.unwrap_err();
    assert!(
        refused.to_string().contains("there is no database"),
        "{refused}"
    );
    assert!(!copy.exists() && !folder.path().join("missing.db").exists());
}

#[tokio::test]
async fn what_is_no_file_is_not_backed_up() {
    let url = "postgres://me:secret@db/chats".to_owned();
    for (database, reason) in [
        (Database::Postgres(url), "`pg_dump`"),
        (Database::Memory, "`memory`"),
    ] {
        for refused in [
            backup(&database, Path::new("/nowhere")).await.unwrap_err(),
            restore(&database, Path::new("/nowhere")).await.unwrap_err(),
        ] {
            assert!(refused.to_string().contains(reason), "{refused}");
            assert!(!refused.to_string().contains("secret"), "{refused}");
        }
    }
}

#[tokio::test]
async fn a_restored_copy_takes_the_place_of_what_is_kept_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let [file, copy] = ["a.db", "copy.db"].map(|name| folder.path().join(name));
    let place = at(&file).await;
    let old = asked(&place.store, "old", "1").await.conversation.id;
    backup(&place.database, &copy).await.unwrap();
    let new = asked(&place.store, "new", "2").await.conversation.id;
    let refused = restore(&place.database, &copy).await.unwrap_err();
    assert!(refused.to_string().contains("is in use"), "{refused}");
    let database = place.database.clone();
    place.store.close().await.unwrap();
    drop(place.store);
    let kept = restore(&database, &copy).await.unwrap().unwrap();
    let again = restore(&database, &copy).await.unwrap().unwrap();
    assert_ne!(kept, again);
    let restored = at(&file).await.store;
    assert_eq!(texts(&restored, old).await, ["old", "1"]);
    assert!(restored.conversation(new).await.unwrap().is_none());
    assert_eq!(texts(&at(&kept).await.store, new).await, ["new", "2"]);
    let elsewhere = folder.path().join("other/b.db");
    let nothing = restore(&Database::File(elsewhere.clone()), &copy).await;
    assert_eq!(nothing.unwrap(), None);
    assert_eq!(texts(&at(&elsewhere).await.store, old).await, ["old", "1"]);
}

#[tokio::test]
async fn what_is_no_copy_of_ours_is_not_restored() {
    let folder = tempfile::tempdir().unwrap();
    let [file, later, letter, empty] =
        ["a.db", "later.db", "letter", "empty"].map(|name| folder.path().join(name));
    let mine = at(&file).await;
    let id = asked(&mine.store, "mine", "1").await.conversation.id;
    let place = at(&later).await;
    let version =
        "INSERT INTO _sqlx_migrations VALUES (99, 'later', CURRENT_TIMESTAMP, 1, x'00', 0)";
    place.store.execute(version).await;
    fs::write(&letter, "dear all, ".repeat(1_000)).unwrap();
    fs::write(&empty, "").unwrap();
    let database = mine.database.clone();
    mine.store.close().await.unwrap();
    drop(mine.store);
    place.store.close().await.unwrap();
    drop(place.store);
    for (from, reason) in [
        (later, "was written by a later version"),
        (letter, "is damaged, or no database of this program"),
        (empty, "holds no conversations of this program"),
        (folder.path().join("none"), "there is no database"),
    ] {
        let refused = restore(&database, &from).await.unwrap_err();
        assert!(refused.to_string().contains(reason), "{refused}");
    }
    assert_eq!(texts(&at(&file).await.store, id).await, ["mine", "1"]);
    let left = fs::read_dir(folder.path()).unwrap().flatten();
    let left: Vec<_> = left.map(|entry| entry.file_name()).collect();
    assert!(
        !left
            .iter()
            .any(|name| name.to_string_lossy().contains("restored")),
        "{left:?}"
    );
}
