use std::fs;
use std::path::Path;

use sqlx::{Connection, SqliteConnection};

use super::*;

/// Why a file cannot be opened, which names it and a way out.
async fn refused(path: &Path) -> String {
    let refused = SqlStore::open(&Database::File(path.to_owned())).await;
    let reason = refused.err().unwrap().to_string();
    let named = reason.contains(&format!("`{}`", path.display()));
    assert!(named && reason.contains("--database"), "{reason}");
    reason
}

#[tokio::test]
async fn a_file_that_is_no_database_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    let letter = "dear all, ".repeat(1_000);
    fs::write(&file, &letter).unwrap();
    let reason = refused(&file).await;
    let why = "is damaged, or no database of this program";
    assert!(reason.contains(why), "{reason}");
    assert_eq!(fs::read_to_string(&file).unwrap(), letter);
}

#[tokio::test]
async fn a_database_of_another_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("theirs.db");
    let url = format!("sqlite://{}?mode=rwc", file.display());
    let mut theirs = SqliteConnection::connect(&url).await.unwrap();
    let create = sqlx::raw_sql("CREATE TABLE songs (name TEXT)");
    create.execute(&mut theirs).await.unwrap();
    theirs.close().await.unwrap();
    let before = fs::read(&file).unwrap();
    let reason = refused(&file).await;
    let why = "holds tables of another program, such as `songs`";
    assert!(reason.contains(why), "{reason}");
    assert_eq!(fs::read(&file).unwrap(), before);
}

#[tokio::test]
async fn a_database_of_a_later_version_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let place = Place::open(Database::File(file.clone())).await;
    let later = "INSERT INTO _sqlx_migrations VALUES (99, 'later', CURRENT_TIMESTAMP, 1, x'00', 0)";
    place.store.execute(later).await;
    place.store.close().await.unwrap();
    drop(place.store);
    let reason = refused(&file).await;
    let why = "was written by a later version of this program";
    assert!(reason.contains(why), "{reason}");
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    refused(&file.join("a.db")).await;
    // Nobody makes anything there, not even root.
    refused(Path::new("/proc/nibble/a.db")).await;
    refused(folder.path()).await;
}

#[tokio::test]
async fn a_file_is_opened_once_at_a_time() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let place = Place::open(Database::File(file.clone())).await;
    let reason = refused(&file).await;
    assert!(reason.contains("is in use by another program"), "{reason}");
    place.store.close().await.unwrap();
    drop(place.store);
    Place::open(Database::File(file)).await;
}

#[tokio::test]
async fn a_path_may_hold_what_addresses_escape() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a folder/50% of? #1 日.db");
    let place = Place::open(Database::File(file.clone())).await;
    let id = asked(&place.store, "one", "1").await.conversation.id;
    assert!(file.is_file());
    place.store.close().await.unwrap();
    drop(place.store);
    let again = Place::open(Database::File(file)).await;
    assert_eq!(texts(&again.store, id).await, ["one", "1"]);
}

#[cfg(unix)]
#[tokio::test]
async fn nobody_else_on_the_machine_reads_a_new_database() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let place = Place::open(Database::File(file)).await;
    asked(&place.store, "one", "1").await;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0, "{:?}", entry.path());
    }
}

#[tokio::test]
async fn an_unreachable_postgres_is_named_without_its_password() {
    let url = "postgres://me:secret@127.0.0.1:1/chats".to_owned();
    let refused = SqlStore::open(&Database::Postgres(url)).await;
    let reason = refused.err().unwrap().to_string();
    let name = "`postgres://127.0.0.1:1/chats`";
    assert!(reason.contains(name), "{reason}");
    assert!(!reason.contains("secret"), "{reason}");
}

#[tokio::test]
async fn what_was_forgotten_is_not_in_the_file_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.db");
    let place = Place::open(Database::File(file.clone())).await;
    let holds = async |words: &str| {
        let checkpoint = "PRAGMA wal_checkpoint(TRUNCATE)";
        place.store.execute(checkpoint).await;
        let bytes = fs::read(&file).unwrap();
        bytes
            .windows(words.len())
            .any(|part| part == words.as_bytes())
    };
    let secret = "a secret about zebras";
    asked(&place.store, secret, secret).await;
    assert!(holds(secret).await);
    place.store.delete_all(ME, now()).await.unwrap();
    place.store.purge(now() + 1).await.unwrap();
    assert!(!holds(secret).await);
}
