use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::*;

const BLOCK: usize = 1000;

fn opened(path: &Path, identity: &str, blocks: u64) -> Folder {
    let one = Folder::open(&folder(path, u64::MAX), identity, BLOCK).unwrap();
    Folder::open(&folder(path, blocks * one.file_bytes()), identity, BLOCK).unwrap()
}

fn folder(path: &Path, bytes: u64) -> PrefixFolder {
    let path = path.to_owned();
    PrefixFolder { path, bytes }
}

fn names(folder: &Folder, tokens: u32) -> Vec<String> {
    let tokens: Vec<_> = (0..tokens).collect();
    folder.names(&tokens, |_| 0).collect()
}

fn at(seconds: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

#[test]
fn a_name_depends_on_the_model_the_rotation_and_all_tokens_before() {
    let place = tempfile::tempdir().unwrap();
    let one = opened(place.path(), "one", 9);
    let names = names(&one, 100);
    assert_eq!(names.len(), 3);
    let tokens: Vec<_> = (0..100).collect();
    let turned: Vec<_> = one.names(&tokens, |at| usize::from(at >= 32)).collect();
    assert!(turned[0] == names[0] && turned[1] != names[1] && turned[2] != names[2]);
    let mut others = tokens.clone();
    others[40] = 7;
    let others: Vec<_> = one.names(&others, |_| 0).collect();
    assert!(others[0] == names[0] && others[1] != names[1] && others[2] != names[2]);
    let other = opened(place.path(), "other", 9);
    assert_ne!(self::names(&other, 32)[0], names[0]);
}

#[test]
fn what_is_written_is_read_by_who_opens_the_folder_later() {
    let place = tempfile::tempdir().unwrap();
    let first = opened(place.path(), "a", 9);
    let names = names(&first, 96);
    for (index, name) in names[..2].iter().enumerate() {
        assert!(first.write(name, &[index as u8; BLOCK], at(100)).unwrap());
    }
    let later = opened(place.path(), "a", 9);
    assert_eq!(later.leading(names.clone().into_iter()), names[..2]);
    assert_eq!(later.read(&names[1]), Some(vec![1; BLOCK]));
    assert_eq!(later.read(&names[2]), None);
    assert_eq!(later.own_bytes(), 2 * later.file_bytes());
    assert_eq!(opened(place.path(), "b", 9).own_bytes(), 0);
}

#[test]
fn the_longest_unused_makes_room_and_never_what_was_used_later() {
    let place = tempfile::tempdir().unwrap();
    let folder = opened(place.path(), "a", 3);
    let names = names(&folder, 32 * 6);
    for (seconds, name) in (100..).zip(&names[..3]) {
        assert!(folder.write(name, &[0; BLOCK], at(seconds)).unwrap());
    }
    assert!(folder.touch(&names[0], at(200)));
    assert!(folder.write(&names[3], &[0; BLOCK], at(201)).unwrap());
    assert_eq!(folder.read(&names[1]), None);
    assert!(!folder.write(&names[4], &[0; BLOCK], at(50)).unwrap());
    assert!(
        [0, 2, 3]
            .iter()
            .all(|index| folder.read(&names[*index]).is_some())
    );
    // Those of another model count, and go as well.
    let other = opened(place.path(), "b", 3);
    let name = &self::names(&other, 32)[0];
    assert!(other.write(name, &[0; BLOCK], at(300)).unwrap());
    folder.look();
    assert_eq!(folder.own_bytes(), 2 * folder.file_bytes());
    assert!(folder.read(&names[2]).is_none() && other.read(name).is_some());
}

#[test]
fn a_start_with_less_room_removes_the_longest_unused() {
    let place = tempfile::tempdir().unwrap();
    let wide = opened(place.path(), "a", 4);
    let names = names(&wide, 32 * 4);
    for (seconds, name) in (100..).zip(&names) {
        assert!(wide.write(name, &[0; BLOCK], at(seconds)).unwrap());
    }
    let narrow = opened(place.path(), "a", 2);
    assert_eq!(narrow.own_bytes(), 2 * narrow.file_bytes());
    assert!(narrow.read(&names[1]).is_none() && narrow.read(&names[2]).is_some());
}

#[test]
fn what_nobody_here_has_written_is_left_alone() {
    let place = tempfile::tempdir().unwrap();
    let first = opened(place.path(), "a", 1);
    let theirs = first.path().join("letters.kv");
    fs::write(&theirs, "dear").unwrap();
    let names = names(&first, 64);
    for name in &names {
        assert!(first.write(name, &[0; BLOCK], at(100)).is_ok());
    }
    // What a program left that ended while it wrote goes after an hour.
    let (old, new) = (first.path().join(".part-a"), first.path().join(".part-b"));
    fs::write(&new, "").unwrap();
    fs::write(&old, "").unwrap();
    let file = fs::File::options().write(true).open(&old).unwrap();
    file.set_modified(at(100)).unwrap();
    first.look();
    assert!(theirs.exists() && new.exists() && !old.exists());
}

#[cfg(unix)]
#[test]
fn only_their_owner_may_read_the_files() {
    use std::os::unix::fs::PermissionsExt;
    let place = tempfile::tempdir().unwrap();
    let folder = opened(&place.path().join("made"), "a", 1);
    let name = &names(&folder, 32)[0];
    folder.write(name, &[0; BLOCK], at(100)).unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&place.path().join("made")), 0o700);
    assert_eq!(mode(folder.path()), 0o700);
    assert_eq!(mode(&folder.path().join(name)), 0o600);
}

#[test]
fn a_folder_that_cannot_be_had_is_an_error_that_names_it() {
    let place = tempfile::tempdir().unwrap();
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Folder::open(&folder(&file, u64::MAX), "a", BLOCK).unwrap_err();
    assert!(
        error.to_string().contains("file/nibble-prefixes"),
        "{error}"
    );
    let error = Folder::open(&folder(place.path(), 1000), "a", BLOCK).unwrap_err();
    let error = error.to_string();
    assert!(
        error.contains("`prefix-cache-size`") && error.ends_with("found 1000"),
        "{error}"
    );
}

#[test]
fn a_reading_that_takes_too_long_is_waited_for_no_more() {
    let now = Instant::now();
    let reading = Reading::new(40, now);
    assert!(!reading.is_over());
    reading.count_block();
    // What was there before, and what others computed meanwhile, is not from the disk.
    assert_eq!([30, 64, 90].map(|found| reading.share(found)), [0, 24, 32]);
    reading.end();
    assert!(reading.is_over());
    let late = Reading::new(0, now.checked_sub(Duration::from_secs(3)).unwrap());
    assert!(late.is_over());
}

#[cfg(target_os = "linux")]
#[test]
fn a_disk_that_takes_nothing_is_an_error_and_leaves_no_file() {
    let place = tempfile::tempdir().unwrap();
    let folder = opened(place.path(), "a", 9);
    let name = &names(&folder, 32)[0];
    fs::remove_dir(folder.path()).unwrap();
    assert!(folder.write(name, &[0; BLOCK], at(100)).is_err());
    assert_eq!(folder.own_bytes(), 0);
}
